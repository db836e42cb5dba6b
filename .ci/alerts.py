"""Runs the queries of the alert rules on the log lines of a good day and of bad ones, and compares which rules fire.

The rules are those of the committed snapshot. Queries run on DuckDB; whether they are valid for Azure Monitor is checked
by queries.mjs. Needs the packages in alerts.txt.
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
    ("the handler crashes", GOOD + [line("handlerStarted", minutes_ago=5)] * 2, {"restarts"}),
    ("a setting is wrong", polls("succeeded")[20:] + [line("handlerNotStarted")] * 3 + prepared(), {"no-poll", "restarts"}),
    ("the export cannot be read", GOOD + [line("preparationFailed")], {"preparation-failed"}),
    ("the gate stops", GOOD + [line("preparationStopped", checks=["keys"])], {"preparation-stopped"}),
    ("no preparation today", [it for it in GOOD if it[2]["event"] != "preparationFinished"], {"no-preparation"}),
    ("Synapse Link stands still", GOOD + prepared(hours_ago=1, newest_hours_ago=30), {"export-behind"}),
    ("many rows are rejected", GOOD + prepared(hours_ago=1, rejected=900), {"rejected-rows"}),
]


def rules():
    resources = json.loads(SNAPSHOT.read_text())["predictedResources"]
    found = [it for it in resources if it["type"] == "Microsoft.Insights/scheduledQueryRules"]
    prefix = "alert-reference-production-europe-01-"
    return {it["name"].removeprefix(prefix): it["properties"] for it in found}


def window(text):
    count, unit = re.fullmatch(r"PT?(\d+)([MHD])", text).groups()
    return timedelta(**{{"M": "minutes", "H": "hours", "D": "days"}[unit]: int(count)})


def fires(rule, lines):
    """Whether a rule fires now: each combination of its dimensions on its own, and none without rows."""
    with duckdb.connect() as base:
        base.execute(
            "create table traces (timestamp timestamp, message varchar, customDimensions json, cloud_RoleInstance varchar)"
        )
        oldest = NOW - window(rule["windowSize"])
        rows = [(NOW - timedelta(minutes=ago), json.dumps(it), CONSOLE, name) for ago, name, it in lines]
        rows = [row for row in rows if row[0] >= oldest]
        if rows:
            base.executemany("insert into traces values (?, ?, ?, ?)", rows)
        criteria = rule["criteria"]["allOf"][0]
        result = base.execute(duckdb_kql.to_sql(criteria["query"]))
        columns = [column[0] for column in result.description]
        found = [dict(zip(columns, row)) for row in result.fetchall()]
    groups = {}
    for row in found:
        key = tuple(str(row[it["name"]]) for it in criteria["dimensions"])
        groups.setdefault(key, []).append(row[criteria["metricMeasureColumn"]])
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


def main():
    all_rules = rules()
    mistakes = [f"no page documents {name}" for name in sorted(undocumented())]
    fired_once = set()
    for name, lines, expected in DAYS:
        fired = {rule for rule, properties in all_rules.items() if fires(properties, lines)}
        fired_once |= fired
        if fired != expected:
            mistakes.append(f"{name}: expected {sorted(expected)}, fired {sorted(fired)}")
    mistakes += [f"{rule} never fires" for rule in sorted(all_rules.keys() - fired_once)]
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"{len(DAYS)} days, {len(all_rules)} rules, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
