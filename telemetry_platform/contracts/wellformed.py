"""Whether schema files are schemas at all."""

import jsonschema_rs

from telemetry_platform.contracts.released import Contract

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def malformed_schemas(contract: Contract) -> list[str]:
    """Say of each schema that is no valid JSON Schema of draft 2020-12 what is wrong with it."""
    found = []
    named = {f"{name} version {version}": schema for (name, version), schema in sorted(contract.events.items())}
    for name, schema in ({"the envelope": contract.envelope} | named).items():
        dialect = schema.get("$schema", DIALECT)
        if dialect != DIALECT:
            found.append(f"The schema of {name} declares {dialect}: use {DIALECT}.")
            continue
        try:
            jsonschema_rs.meta.validate({"$schema": DIALECT} | schema)
        except jsonschema_rs.ValidationError as error:
            pointer = "/" + "/".join(str(part) for part in error.instance_path)
            found.append(f"The schema of {name} is not valid at {pointer}: {error.message}.")
    return found
