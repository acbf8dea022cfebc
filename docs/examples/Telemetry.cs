// Unity: put on one GameObject that outlives the scenes, then telemetry.Track("level_started", "{\"level\":\"L1\"}").
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using UnityEngine;
using UnityEngine.Networking;

public class Telemetry : MonoBehaviour
{
    public string url = "http://127.0.0.1:8080/v1/events", writeKey = "the write key of the game", playerId = "p-1";
    const int MostEvents = 2000;
    readonly List<string> waiting = new List<string>();  // one event a line, as in the file
    string Spool => Path.Combine(Application.persistentDataPath, "telemetry.jsonl");
    static string Now => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);

    void Awake()
    {
        DontDestroyOnLoad(gameObject);
        if (File.Exists(Spool)) waiting.AddRange(File.ReadAllLines(Spool).Where(line => line.EndsWith("}}")));
        StartCoroutine(Send());
    }

    /// properties: a JSON object in one line, e.g. JsonUtility.ToJson(new LevelStarted { level = "L1" })
    public void Track(string eventName, string properties = "{}")
    {
        var line = $"{{\"event_id\":\"{Guid.NewGuid()}\",\"event_name\":\"{eventName}\",\"event_version\":1," +
            $"\"created_ts\":\"{Now}\",\"player_id\":\"{playerId}\",\"platform\":\"unity\",\"properties\":{properties}}}";
        waiting.Add(line);
        File.AppendAllText(Spool, line + "\n");
    }

    IEnumerator Send()
    {
        for (float pause = 5; ;)
        {
            yield return new WaitForSecondsRealtime(pause * UnityEngine.Random.Range(0.5f, 1f));
            if (waiting.Count == 0) continue;
            var batch = waiting.Take(100).ToList();
            var body = Encoding.UTF8.GetBytes($"{{\"sent_ts\":\"{Now}\",\"events\":[{string.Join(",", batch)}]}}");
            using (var request = new UnityWebRequest(url, "POST") { timeout = 30,
                uploadHandler = new UploadHandlerRaw(body), downloadHandler = new DownloadHandlerBuffer() })
            {
                request.SetRequestHeader("Authorization", "Bearer " + writeKey);
                request.SetRequestHeader("Content-Type", "application/json");
                yield return request.SendWebRequest();
                var status = request.responseCode;  // 0 when there was no answer
                var isRefused = status >= 400 && status < 500 && status != 408 && status != 429;
                if (status != 202 && !isRefused)
                {   // the same events go out again, with the same ids
                    float.TryParse(request.GetResponseHeader("Retry-After"), out var asked);
                    pause = Mathf.Max(2 * asked, Mathf.Min(pause * 2, 60));
                    if (waiting.Count > MostEvents) waiting.RemoveRange(0, waiting.Count - MostEvents);
                    continue;
                }
                if (status != 202 || !request.downloadHandler.text.Contains("\"rejected\":[]"))
                    Debug.LogWarning($"telemetry {status}: {request.downloadHandler.text}");
            }
            pause = 5;
            waiting.RemoveRange(0, batch.Count);
            File.WriteAllLines(Spool, waiting);
        }
    }
}
