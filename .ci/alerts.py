"""Runs the queries of the alert rules on the telemetry of good days and of bad ones, and compares which rules fire.

    python3 .ci/alerts.py target/tmp/telemetry

Days of the real-time app are telemetry that the sandbox recorded, as rows of the tables: the tests in
tests/scenarios/telemetry.rs write them to this folder. Days of the lake side, and what takes longer than a test, are log
lines. The rules are those of the committed snapshot. Queries run on DuckDB; whether they are valid for Azure Monitor is
checked by queries.mjs. Needs the packages in alerts.txt.
"""

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import duckdb_kql

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "infra/examples/full.snapshot.json"
PAGES = ["docs/logging.md", "docs/lake/logging.md"]
CONSOLE = json.dumps({"Category": "Host.Function.Console"})
TABLES = {"trace": "traces", "request": "requests", "dependency": "dependencies"}
COLUMNS = {
    "timestamp": "timestamp",
    "itemType": "varchar",
    "message": "varchar",
    "severityLevel": "integer",
    "name": "varchar",
    "type": "varchar",
    "success": "varchar",
    "resultCode": "varchar",
    "duration": "double",
    "customDimensions": "json",
    "operation_Id": "varchar",
    "operation_Name": "varchar",
    "cloud_RoleName": "varchar",
    "cloud_RoleInstance": "varchar",
}
NOW = datetime.now(timezone.utc).replace(tzinfo=None)


def line(event, minutes_ago=1, instance="one", **fields):
    return minutes_ago, instance, {"event": event, **fields}


def polls(outcome):
    invocation = {"function": "poll-events", "outcome": outcome}
    return [line("invocation", minutes_ago=ago, **invocation) for ago in range(1, 60)]


def prepared(hours_ago=2, newest_hours_ago=3, rejected=10):
    newest = (NOW - timedelta(hours=newest_hours_ago)).isoformat() + "Z"
    fields = {"rows": 10_000, "rejected": rejected, "newestSourceRow": newest}
    return [line("preparationFinished", minutes_ago=60 * hours_ago, **fields)]


def started(count, latency_ms):
    return [line("journeyStarted", latencyMs=latency_ms) for _ in range(count)]


def throttled(count):
    return [line("throttled", dependency="dataverse") for _ in range(count)]


STARTS = [line("handlerStarted", minutes_ago=25, instance=name) for name in ("one", "two")]
GOOD = polls("succeeded") + started(100, 3_000) + throttled(5) + STARTS + prepared()

# What differs from the good day, with the rules that must fire.
DAYS = [
    ("a good day", GOOD, set()),
    ("one slow journey in a hundred", GOOD + started(1, 900_000), set()),
    ("an event failed", GOOD + [line("eventFailed", eventId="e", reason="commerceRefused")], {"failed-events"}),
    ("a failed event, an hour ago", GOOD + [line("eventFailed", minutes_ago=60, eventId="e", reason="held")], set()),
    ("the Scale Unit is away", polls("interrupted") + STARTS + prepared(), {"no-poll"}),
    ("nothing runs", prepared(), {"no-poll"}),
    ("journeys start late", GOOD + started(20, 300_000), {"latency"}),
    ("Dataverse throttles", GOOD + throttled(40), {"throttled"}),
    ("messages disappear", GOOD + [line("messageLost", eventId="e", eventType="Checkout")], {"lost-messages"}),
    ("the handler crashes", GOOD + [line("handlerStarted", minutes_ago=5)] * 2, {"restarts"}),
    ("a setting is wrong", polls("succeeded")[20:] + [line("handlerNotStarted")] * 3 + prepared(), {"no-poll", "restarts"}),
    ("the export cannot be read", GOOD + [line("preparationFailed")], {"preparation-failed"}),
    ("the gate stops", GOOD + [line("preparationStopped", checks=["keys"])], {"preparation-stopped"}),
    ("no preparation today", [it for it in GOOD if it[2]["event"] != "preparationFinished"], {"no-preparation"}),
    ("Synapse Link stands still", GOOD + prepared(hours_ago=1, newest_hours_ago=30), {"export-behind"}),
    ("many rows are rejected", GOOD + prepared(hours_ago=1, rejected=900), {"rejected-rows"}),
]

# Days that the sandbox recorded, with the rules that must fire.
RECORDED = {
    "good": set(),
    "failed-event": {"failed-events"},
    "scale-unit-unavailable": {"no-poll"},
    "throttled": {"throttled"},
    "late": {"latency"},
    "crashes": {"restarts"},
    "replaced-instances": set(),
    "wrong-setting": {"no-poll", "restarts"},
    "operator": set(),
}


def row(line_of_day, now=NOW):
    """A log line as a row of `traces`."""
    minutes_ago, instance, fields = line_of_day
    return {
        "timestamp": (now - timedelta(minutes=minutes_ago)).isoformat(),
        "itemType": "trace",
        "message": json.dumps(fields),
        "customDimensions": CONSOLE,
        "cloud_RoleInstance": instance,
    }


def recorded(file):
    """The rows of a recorded day and of a preparation, and the time at which the day ends."""
    rows = [json.loads(text) for text in file.read_text().splitlines()]
    for it in rows:
        it["timestamp"] = it["timestamp"].removesuffix("Z")
        it["customDimensions"] = json.dumps(it["customDimensions"])
    now = max(datetime.fromisoformat(it["timestamp"]) for it in rows)
    return rows + [row(it, now) for it in prepared()], now


def rules():
    resources = json.loads(SNAPSHOT.read_text())["predictedResources"]
    found = [it for it in resources if it["type"] == "Microsoft.Insights/scheduledQueryRules"]
    prefix = "alert-reference-production-europe-01-"
    return {it["name"].removeprefix(prefix): it["properties"] for it in found}


def window(text):
    count, unit = re.fullmatch(r"PT?(\d+)([MHD])", text).groups()
    return timedelta(**{{"M": "minutes", "H": "hours", "D": "days"}[unit]: int(count)})


def tables(base, rows):
    for item_type, table in TABLES.items():
        base.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        of_table = [[it.get(name) for name in COLUMNS] for it in rows if it["itemType"] == item_type]
        if of_table:
            base.executemany(f"insert into {table} values ({', '.join('?' for _ in COLUMNS)})", of_table)


def fires(rule, rows, now):
    """Whether a rule fires at this time: each combination of its dimensions on its own, and none without rows."""
    oldest = (now - window(rule["windowSize"])).isoformat()
    criteria = rule["criteria"]["allOf"][0]
    with duckdb.connect() as base:
        tables(base, [it for it in rows if it["timestamp"] >= oldest])
        result = base.execute(duckdb_kql.to_sql(criteria["query"]))
        columns = [column[0] for column in result.description]
        found = [dict(zip(columns, values)) for values in result.fetchall()]
    groups = {}
    for it in found:
        key = tuple(str(it[dimension["name"]]) for dimension in criteria["dimensions"])
        groups.setdefault(key, []).append(it[criteria["metricMeasureColumn"]])
    return any(compare(criteria, values) for values in groups.values())


def compare(criteria, values):
    value = {"Total": sum, "Maximum": max}[criteria["timeAggregation"]](values)
    threshold = criteria["threshold"]
    operators = {"GreaterThan": value > threshold, "GreaterThanOrEqual": value >= threshold, "LessThan": value < threshold}
    return operators[criteria["operator"]]


def undocumented():
    words = set()
    for page in PAGES:
        words |= {word.rstrip("?") for word in re.findall(r"`([^`\n]+)`", (ROOT / page).read_text())}
    used = {name for _, lines, _ in DAYS for _, _, it in lines for name in (*it, it["event"])}
    return used - words


def days(folder):
    """Every day: its name, its rows, when it ends, and the rules that must fire."""
    for name, lines, expected in DAYS:
        yield name, [row(it) for it in lines], NOW, expected
    for name, expected in RECORDED.items():
        rows, now = recorded(folder / f"{name}.ndjson")
        yield f"{name}, recorded", rows, now, expected


def main(folder):
    all_rules = rules()
    mistakes = [f"no page documents {name}" for name in sorted(undocumented())]
    fired_once = set()
    for name, rows, now, expected in days(folder):
        fired = {rule for rule, properties in all_rules.items() if fires(properties, rows, now)}
        fired_once |= fired
        if fired != expected:
            mistakes.append(f"{name}: expected {sorted(expected)}, fired {sorted(fired)}")
    mistakes += [f"{rule} never fires" for rule in sorted(all_rules.keys() - fired_once)]
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"{len(DAYS)} days, {len(RECORDED)} recorded days, {len(all_rules)} rules, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
