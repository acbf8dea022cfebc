"""docker-compose.yml and what it mounts, read as the files they are: no container is started here."""

import re
from typing import Any

import pytest
import yaml

from telemetry_platform.local.broker import broker_properties
from telemetry_platform.local.jars import LOCK, read_lock
from telemetry_platform.settings import PROJECT_ROOT, read_settings

COMPOSE = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PRODUCT = ("bronze", "collector", "dagster-code", "dagster-daemon", "dagster-webserver", "topics", "warehouse")
LOOPBACK = "127.0.0.1"


def mounts(service: str) -> dict[str, str]:
    """Source of each mount of a service by its target, `:ro` kept on the target."""
    return {target: source for source, _, target in (mount.partition(":") for mount in SERVICES[service]["volumes"])}


def environment(service: str) -> dict[str, str]:
    """Environment that compose sets itself, without what it passes on."""
    return {name: value for name, value in SERVICES[service]["environment"].items() if value is not None}


def port_of(address: str) -> int:
    return int(re.search(r":(\d+)(?:/|$)", address)[1])


def test_the_file_says_that_it_has_not_been_run():
    assert "NOT RUN YET" in (PROJECT_ROOT / "docker-compose.yml").read_text().split("\nx-")[0]


def test_the_services_are_those_of_the_local_stack_with_prometheus_and_grafana():
    assert set(SERVICES) == {*PRODUCT, "grafana", "kafka", "prometheus"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"topics"}))
def test_a_service_has_a_health_check_and_starts_again_after_a_fault(name: str):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_gains_no_rights_and_its_log_does_not_fill_the_disk(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "privileged" not in service
    assert "network_mode" not in service


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_waits_until_what_it_needs_works(name: str):
    for needed, rule in SERVICES[name].get("depends_on", {}).items():
        ends = needed == "topics"
        assert rule == {"condition": "service_completed_successfully" if ends else "service_healthy"}


def test_images_are_pinned_to_a_full_version():
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", service["image"]), name
        assert ("build" in service) == (name in PRODUCT)
        # Without it compose would look for the product's image in a registry.
        assert (service.get("pull_policy") == "build") == (name in PRODUCT)


def test_only_collector_dagster_and_grafana_are_published_and_only_the_collector_can_leave_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"collector", "dagster-webserver", "grafana"}
    assert {name: [port["host_ip"] for port in ports] for name, ports in published.items()} == {
        "collector": [f"${{TELEMETRY_COLLECTOR_HOST:-{LOOPBACK}}}"],
        "dagster-webserver": [LOOPBACK],
        "grafana": [LOOPBACK],
    }


def test_published_ports_default_to_those_of_the_settings():
    defaults = read_settings({})
    assert SERVICES["collector"]["ports"][0]["published"] == f"${{TELEMETRY_COLLECTOR_PORT:-{defaults.collector_port}}}"
    dagster = SERVICES["dagster-webserver"]["ports"][0]["published"]
    assert dagster == f"${{TELEMETRY_DAGSTER_PORT:-{defaults.dagster_port}}}"


def test_every_named_volume_is_declared_and_used():
    used = {
        source
        for name, service in SERVICES.items()
        if "volumes" in service
        for source in mounts(name).values()
        if not source.startswith("./")
    }
    assert used == set(COMPOSE["volumes"])


def test_every_mounted_file_exists_and_is_read_only():
    for name in (name for name, service in SERVICES.items() if "volumes" in service):
        for target, source in mounts(name).items():
            if source.startswith("./"):
                assert (PROJECT_ROOT / source).exists()
                assert target.endswith(":ro")


def test_a_service_sees_only_the_data_it_works_on():
    assert mounts("collector") == {"/data/games": "games", "/data/keys": "keys"}
    # The streaming job needs the signing key, and personal properties' keys, for what no collector wrote.
    assert mounts("bronze") == {"/data/games:ro": "games", "/data/keys": "keys", "/data/lake": "lake"}
    assert mounts("dagster-code").get("/data/games:ro") == "games"
    assert [name for name in PRODUCT if "keys" in str(SERVICES[name].get("volumes"))] == ["bronze", "collector"]


@pytest.mark.parametrize("name", PRODUCT)
def test_settings_accept_each_environment_and_point_at_the_other_services(name: str):
    settings = read_settings(environment(name))
    assert settings.kafka == "kafka:9092"
    assert (settings.warehouse.host, settings.warehouse.port) == ("warehouse", 8085)
    assert settings.warehouse.is_stand_in


def test_names_passed_on_are_settings():
    source = (PROJECT_ROOT / "telemetry_platform" / "settings.py").read_text()
    for name in PRODUCT:
        for variable in SERVICES[name]["environment"]:
            assert f'"{variable}"' in source, variable


def test_servers_listen_on_the_containers_network_at_the_ports_others_ask():
    collector, bronze = read_settings(environment("collector")), read_settings(environment("bronze"))
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in yaml.safe_load((PROJECT_ROOT / "infra/prometheus/prometheus.yml").read_text())["scrape_configs"]
    }
    assert scraped["collector"] == [f"collector:{collector.collector_port}"]
    assert scraped["bronze"] == [f"bronze:{bronze.bronze_metrics_port}"]
    assert (collector.collector_host, bronze.bronze_metrics_host) == ("0.0.0.0", "0.0.0.0")
    assert SERVICES["collector"]["ports"][0]["target"] == collector.collector_port
    assert port_of(SERVICES["collector"]["healthcheck"]["test"][-1]) == collector.collector_port
    assert port_of(SERVICES["bronze"]["healthcheck"]["test"][-1]) == bronze.bronze_metrics_port
    assert {"--host=0.0.0.0", "--port=8085"} <= set(SERVICES["warehouse"]["command"])


def test_dagster_finds_its_code_server():
    workspace = yaml.safe_load((PROJECT_ROOT / "infra/docker/workspace.yaml").read_text())
    server = workspace["load_from"][0]["grpc_server"]
    assert server["host"] in SERVICES
    assert f"--port={server['port']}" in SERVICES[server["host"]]["command"]
    assert f"--location-name={server['location_name']}" in SERVICES[server["host"]]["command"]
    local = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())
    assert server["location_name"] == local["load_from"][0]["python_module"]["location_name"]


def test_dagster_yaml_is_the_one_the_command_line_renders():
    # `telemetry materialize` writes it anew when it differs, and here it is mounted read-only.
    rendered = (PROJECT_ROOT / "dagster.yaml").read_text().replace(" .telemetry/", " /data/")
    mounted = (PROJECT_ROOT / "infra/docker/dagster.yaml").read_text()
    assert mounted == rendered, "run: sed 's# \\.telemetry/# /data/#' dagster.yaml > infra/docker/dagster.yaml"


def test_the_broker_has_the_properties_and_the_version_of_the_local_one():
    own = {"advertised.listeners", "listeners", "log.dirs", "controller.quorum.voters", "num.partitions"}
    lines = broker_properties(read_settings({})).splitlines()
    local = dict(line.split("=", 1) for line in lines)
    kafka = environment("kafka")
    for name in set(local) - own:
        assert kafka["KAFKA_" + name.upper().replace(".", "_")] == local[name], name
    versions = {
        jar.revision for jar in read_lock(LOCK.read_text()) if jar.name == "kafka-clients" and jar.group == "broker"
    }
    assert {SERVICES["kafka"]["image"].partition(":")[2]} == versions
    assert kafka["KAFKA_LOG_DIRS"] in mounts("kafka")


def test_grafana_has_no_default_password_and_no_anonymous_access():
    grafana = environment("grafana")
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"].startswith("${TELEMETRY_GRAFANA_PASSWORD:?")
    assert not [name for name in grafana if name.startswith("GF_AUTH_ANONYMOUS")]


def test_grafana_is_given_prometheus_and_the_dashboards_folder():
    provisioning = PROJECT_ROOT / "infra/grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"][0]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    provider = yaml.safe_load((provisioning / "dashboards/telemetry.yaml").read_text())["providers"][0]
    assert mounts("grafana")[f"{provider['options']['path']}:ro"] == "./infra/grafana/dashboards"
