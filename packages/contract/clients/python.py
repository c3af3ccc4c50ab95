"""The README's commands with the client of openapi-python-client, which is generated into `generated`."""

import json
import os
import time
from datetime import datetime, timezone

from generated.api.connections import create_connection
from generated.api.delivery_attempts import list_delivery_attempts
from generated.api.destinations import create_destination, test_destination
from generated.api.events import get_event, get_event_timeline
from generated.api.ingest import send_event
from generated.api.replay import create_replay, get_replay
from generated.api.sources import create_source
from generated.api.workspaces import create_workspace
from generated.client import AuthenticatedClient
from generated.models import (
    ConnectionInput,
    DestinationTestInput,
    FilterRule,
    FilterRuleOp,
    KafkaConfigInput,
    KafkaDestination,
    KafkaDestinationInput,
    ReplayInput,
    SourceInput,
    WorkspaceInput,
)

gateway = os.environ["GATEWAY"]


def client(header: str, key: str) -> AuthenticatedClient:
    return AuthenticatedClient(gateway, key, prefix="", auth_header_name=header, raise_on_unexpected_status=True)


root = client("X-Root-Key", os.environ["ROOT_KEY"])
api = client("X-API-Key", create_workspace.sync(client=root, body=WorkspaceInput()).api_key.key)

destination = create_destination.sync(
    client=api,
    body=KafkaDestinationInput(
        name="Event Stream",
        type_="kafka",
        config=KafkaConfigInput.from_dict(json.loads(os.environ["KAFKA_CONFIG"])),
    ),
).destination
check = test_destination.sync(destination.id, client=api, body=DestinationTestInput(produce=True))
source = create_source.sync(client=api, body=SourceInput(name="GitHub")).source
create_connection.sync(client=api, body=ConnectionInput(source_id=source.id, destination_id=destination.id))
token = source.ingest_url.split("/")[-1]
accepted = send_event.sync(token, client=api, body={"type": "invoice.paid"})

event = get_event.sync(accepted.event_id, client=api).event
while event.status != "delivered":
    time.sleep(0.05)
    event = get_event.sync(accepted.event_id, client=api).event
timeline = get_event_timeline.sync(accepted.event_id, client=api).timeline
attempts = list_delivery_attempts.sync(client=api, destination_id=destination.id, limit=10).delivery_attempts
made = create_replay.sync(
    client=api,
    body=ReplayInput(
        destination_id=destination.id,
        from_=event.received_at,
        to=datetime.now(timezone.utc),
        filter_=[FilterRule(field="payload.type", op=FilterRuleOp.EQ, value="invoice.paid")],
    ),
).replay
replay = get_replay.sync(made.id, client=api).replay

assert isinstance(destination, KafkaDestination)
said = {
    "secret": destination.config.api_secret,
    "isWell": check.ok,
    "body": event.body,
    "types": [entry.type_.value for entry in timeline],
    "tries": [[attempt.status.value, attempt.receipt["partition"]] for attempt in attempts],
    "replayed": replay.total,
}
print(json.dumps(said))
