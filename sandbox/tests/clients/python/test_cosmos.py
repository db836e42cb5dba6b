"""The sandbox's Cosmos DB account, as the Python client library uses it.

The driver, `sandbox/tests/clients`, sets COSMOS_URL and COSMOS_KEY. Every test has a container of its own.
"""

import os
import time
import unittest
import uuid

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)


class Case(unittest.TestCase):
    def setUp(self):
        client = CosmosClient(os.environ["COSMOS_URL"], os.environ["COSMOS_KEY"])
        self.database = client.get_database_client("EventTrackingDB")
        self.container = self.database.get_container_client("ProcessedEvents")
        self.channel = str(uuid.uuid4())

    def item(self, name, **fields):
        return {"id": name, "EventChannelId": self.channel, **fields}

    def create(self, *items):
        for item in items:
            self.container.create_item(item)

    def query(self, text, **options):
        options.setdefault("partition_key", self.channel)
        return list(self.container.query_items(text, **options))


class Items(Case):
    def test_are_created_read_replaced_and_deleted(self):
        created = self.container.create_item(self.item("a", n=1))
        self.assertEqual(self.container.read_item("a", self.channel), created)
        with self.assertRaises(CosmosResourceExistsError):
            self.container.create_item(self.item("a"))
        replaced = self.container.replace_item("a", self.item("a", n=2))
        self.assertEqual((replaced["n"], replaced["_rid"]), (2, created["_rid"]))
        with self.assertRaises(CosmosAccessConditionFailedError):
            self.container.replace_item(
                "a", self.item("a", n=3), etag=created["_etag"], match_condition=MatchConditions.IfNotModified
            )
        self.assertEqual(self.container.upsert_item(self.item("b", n=1))["n"], 1)
        self.container.delete_item("a", self.channel)
        with self.assertRaises(CosmosResourceNotFoundError):
            self.container.read_item("a", self.channel)

    def test_are_patched_if_the_condition_is_met(self):
        self.create(self.item("a", n=1, tags=["x"]))
        changes = [
            {"op": "incr", "path": "/n", "value": 2},
            {"op": "add", "path": "/tags/0", "value": "y"},
            {"op": "set", "path": "/status", "value": "new"},
        ]
        patched = self.container.patch_item("a", self.channel, changes, filter_predicate="from c where c.n = 1")
        self.assertEqual((patched["n"], patched["tags"], patched["status"]), (3, ["y", "x"], "new"))
        with self.assertRaises(CosmosAccessConditionFailedError):
            self.container.patch_item("a", self.channel, changes, filter_predicate="from c where c.n = 1")

    def test_expire(self):
        self.create(self.item("short", ttl=1), self.item("long", ttl=600))
        with self.assertRaises(CosmosHttpResponseError) as refused:
            self.create(self.item("never", ttl=0))
        self.assertEqual(refused.exception.status_code, 400)
        time.sleep(2)
        self.assertEqual(self.query("SELECT VALUE c.id FROM c"), ["long"])

    def test_have_ids_that_fit_into_an_address(self):
        for name in ["", "a/b", "a?b", "x" * 256]:
            with self.assertRaises((CosmosHttpResponseError, ValueError), msg=name):
                self.create(self.item(name))

    def test_of_a_batch_are_written_together_or_not_at_all(self):
        results = self.container.execute_item_batch(
            [("create", (self.item("a", n=1),)), ("upsert", (self.item("b"),)), ("read", ("a",))], self.channel
        )
        self.assertEqual([result["statusCode"] for result in results], [201, 201, 200])
        with self.assertRaises(CosmosBatchOperationError) as failed:
            self.container.execute_item_batch(
                [("delete", ("a",)), ("create", (self.item("b"),))], self.channel
            )
        statuses = [result["statusCode"] for result in failed.exception.operation_responses]
        self.assertEqual(statuses, [424, 409])
        self.assertEqual(self.container.read_item("a", self.channel)["n"], 1)


class Queries(Case):
    def setUp(self):
        super().setUp()
        self.create(*(self.item(f"i{n}", n=n, run=["x", "it's"][n % 2]) for n in range(5)))

    def test_understand_both_kinds_of_quotes(self):
        for text in ['c.run = "it\'s"', "c.run = 'it\\'s'", 'c["run"] = "it\'s"', "NOT c['run'] = 'x'"]:
            self.assertEqual(self.query(f"SELECT VALUE c.id FROM c WHERE {text}"), ["i1", "i3"], text)

    def test_have_parameters(self):
        found = self.query(
            "SELECT VALUE c.n FROM c WHERE c.n > @least AND c.id IN (@a, @b)",
            parameters=[{"name": "@least", "value": 1}, {"name": "@a", "value": "i1"}, {"name": "@b", "value": "i4"}],
        )
        self.assertEqual(found, [4])

    def test_come_in_pages(self):
        pages = self.container.query_items(
            "SELECT VALUE c.n FROM c", partition_key=self.channel, max_item_count=2
        ).by_page()
        self.assertEqual([list(page) for page in pages], [[0, 1], [2, 3], [4]])

    def test_over_all_partitions_are_merged(self):
        other = self.channel
        for name in ["x", "y", "z"]:
            self.channel = f"{other} {name}"
            self.create(self.item(f"{name}1", n=10, family=other), self.item(f"{name}2", n=9, family=other))
        everywhere = {"partition_key": None, "enable_cross_partition_query": True}
        where = f"FROM c WHERE c.family = '{other}'"
        self.assertEqual(self.query(f"SELECT VALUE COUNT(1) {where}", **everywhere), [6])
        self.assertEqual(self.query(f"SELECT VALUE AVG(c.n) {where}", **everywhere), [9.5])
        ordered = self.query(f"SELECT c.id, c.n AS m {where} ORDER BY c.n", **everywhere)
        self.assertEqual([item["m"] for item in ordered], [9, 9, 9, 10, 10, 10])
        self.assertEqual(len(self.query(f"SELECT TOP 4 * {where}", **everywhere)), 4)
        self.assertEqual(sorted(self.query(f"SELECT DISTINCT VALUE c.n {where}", **everywhere)), [9, 10])
        self.assertEqual(len(self.query(f"SELECT * {where} ORDER BY c.id OFFSET 1 LIMIT 2", **everywhere)), 2)

    def test_that_are_not_understood_are_errors(self):
        with self.assertRaises(CosmosHttpResponseError) as refused:
            self.query("SELECT * FROM c WHERE EXISTS(SELECT 1)")
        self.assertEqual(refused.exception.status_code, 400)


class Containers(Case):
    def test_are_created_listed_and_deleted(self):
        name = f"c{uuid.uuid4()}"
        created = self.database.create_container_if_not_exists(name, PartitionKey("/pk"), default_ttl=1)
        created.create_item({"id": "a", "pk": 1})
        self.assertEqual(created.read()["defaultTtl"], 1)
        self.assertIn(name, [it["id"] for it in self.database.list_containers()])
        time.sleep(2)
        self.assertEqual(list(created.read_all_items()), [])
        self.database.delete_container(name)
        with self.assertRaises(CosmosResourceNotFoundError):
            created.read()


if __name__ == "__main__":
    unittest.main()
