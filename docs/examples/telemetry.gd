# Godot 4: add as an autoload named Telemetry, then Telemetry.track("level_started", {"level": "L1"}).
extends Node

const URL := "http://127.0.0.1:8080/v1/events"
const WRITE_KEY := "the write key of the game"
const SPOOL := "user://telemetry.jsonl"
const MOST_EVENTS := 2000

var player_id := "p-1"
var waiting: PackedStringArray = []  # as JSON: read back, the 1 of event_version would be 1.0
var sending := 0
var pause := 5.0
var request := HTTPRequest.new()
var timer := Timer.new()


func _ready() -> void:
	add_child(request)
	add_child(timer)
	request.request_completed.connect(_answered)
	timer.timeout.connect(flush)
	timer.start(pause)
	if FileAccess.file_exists(SPOOL):
		waiting = FileAccess.get_file_as_string(SPOOL).split("\n", false)


func track(event_name: String, properties := {}) -> void:
	waiting.append(JSON.stringify({"event_id": _uuid4(), "event_name": event_name, "event_version": 1,
		"created_ts": _now(), "player_id": player_id, "platform": OS.get_name(), "properties": properties}))
	if waiting.size() > MOST_EVENTS and sending == 0:
		waiting.remove_at(0)
	_save()


func flush() -> void:
	sending = mini(waiting.size(), 100)
	var events := ",".join(waiting.slice(0, sending))
	var headers := ["Authorization: Bearer " + WRITE_KEY, "Content-Type: application/json"]
	var body := '{"sent_ts":"%s","events":[' % _now() + events + "]}"
	if sending == 0 or request.request(URL, headers, HTTPClient.METHOD_POST, body) != OK:
		sending = 0
	else:
		timer.stop()  # until the answer is there


func _answered(result: int, status: int, headers: PackedStringArray, body: PackedByteArray) -> void:
	var is_refused := status >= 400 and status < 500 and status not in [408, 429]
	if result != HTTPRequest.RESULT_SUCCESS or (status != 202 and not is_refused):
		pause = minf(pause * 2.0, 60.0)  # the same events go out again, with the same ids
		for header in headers:
			if header.to_lower().begins_with("retry-after:"):
				pause = maxf(pause, header.get_slice(":", 1).to_float())
	else:
		pause = 5.0
		if status != 202 or not body.get_string_from_utf8().contains('"rejected":[]'):
			push_warning("telemetry %d: %s" % [status, body.get_string_from_utf8()])
		waiting = waiting.slice(sending)
		_save()
	sending = 0
	timer.start(pause * randf_range(1.0, 1.5))


func _save() -> void:
	FileAccess.open(SPOOL, FileAccess.WRITE).store_string("\n".join(waiting))


func _now() -> String:
	var seconds := Time.get_unix_time_from_system()
	return Time.get_datetime_string_from_unix_time(int(seconds)) + ".%03dZ" % int(fmod(seconds, 1.0) * 1000.0)


func _uuid4() -> String:
	var bytes := Crypto.new().generate_random_bytes(16)
	bytes[6] = (bytes[6] & 0x0f) | 0x40
	bytes[8] = (bytes[8] & 0x3f) | 0x80
	var hex := bytes.hex_encode()
	return "-".join([hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20)])
