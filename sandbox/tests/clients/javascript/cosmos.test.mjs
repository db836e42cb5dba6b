// The sandbox's Cosmos DB account, as the JavaScript client library uses it.
//
// The driver, `sandbox/tests/clients`, sets COSMOS_URL and COSMOS_KEY. Every test has a partition of its own.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CosmosClient } from "@azure/cosmos";

const client = new CosmosClient({ endpoint: process.env.COSMOS_URL, key: process.env.COSMOS_KEY });
const database = client.database("EventTrackingDB");
const container = database.container("ProcessedEvents");

let channel;

beforeEach(() => {
  channel = randomUUID();
});

after(() => client.dispose());

function item(id, fields = {}) {
  return { id, EventChannelId: channel, ...fields };
}

async function create(...items) {
  for (const it of items) await container.items.create(it);
}

async function query(text, options = { partitionKey: channel }) {
  return (await container.items.query(text, options).fetchAll()).resources;
}

async function refused(promise, code) {
  const error = await promise.then(() => undefined, (error) => error);
  assert.equal(error?.code, code, error?.message);
}

describe("items", () => {
  it("are created, read, replaced and deleted", async () => {
    const created = await container.items.create(item("a", { n: 1 }));
    assert.ok(created.requestCharge > 0);
    const place = container.item("a", channel);
    assert.deepEqual((await place.read()).resource, created.resource);
    await refused(container.items.create(item("a")), 409);
    const accessCondition = { type: "IfMatch", condition: created.resource._etag };
    await place.replace(item("a", { n: 2 }), { accessCondition });
    await refused(place.replace(item("a", { n: 3 }), { accessCondition }), 412);
    await container.items.upsert(item("b"));
    await place.delete();
    assert.equal((await place.read()).statusCode, 404);
  });

  it("are patched if the condition is met", async () => {
    await create(item("a", { n: 1 }));
    const patch = { condition: "from c where c.n = 1", operations: [{ op: "incr", path: "/n", value: 1 }] };
    assert.equal((await container.item("a", channel).patch(patch)).resource.n, 2);
    await refused(container.item("a", channel).patch(patch), 412);
  });

  it("expire", async () => {
    await create(item("short", { ttl: 1 }), item("long", { ttl: 600 }));
    await refused(container.items.create(item("never", { ttl: -5 })), 400);
    await sleep(2000);
    assert.deepEqual(await query("SELECT VALUE c.id FROM c"), ["long"]);
  });

  it("of a batch are written together or not at all", async () => {
    const created = await container.items.batch(
      [
        { operationType: "Create", resourceBody: item("a", { n: 1 }) },
        { operationType: "Patch", id: "a", resourceBody: { operations: [{ op: "incr", path: "/n", value: 1 }] } },
        { operationType: "Read", id: "a" },
      ],
      channel,
    );
    assert.deepEqual(created.result.map((result) => result.statusCode), [201, 200, 200]);
    assert.equal(created.result[2].resourceBody.n, 2);
    const failed = await container.items.batch(
      [{ operationType: "Delete", id: "a" }, { operationType: "Replace", id: "b", resourceBody: item("b") }],
      channel,
    );
    assert.deepEqual(failed.result.map((result) => result.statusCode), [424, 404]);
    assert.equal((await container.item("a", channel).read()).resource.n, 2);
  });
});

describe("queries", () => {
  beforeEach(() => create(...[0, 1, 2, 3, 4].map((n) => item(`i${n}`, { n, run: ["x", "it's"][n % 2] }))));

  it("understand both kinds of quotes", async () => {
    for (const filter of [`c.run = "it's"`, `c.run = 'it\\'s'`, `c["run"] = "it's"`, "c.n IN (1, 3)"]) {
      assert.deepEqual(await query(`SELECT VALUE c.id FROM c WHERE ${filter}`), ["i1", "i3"], filter);
    }
  });

  it("come in pages", async () => {
    const pages = [];
    const options = { partitionKey: channel, maxItemCount: 2 };
    const iterator = container.items.query("SELECT VALUE c.n FROM c ORDER BY c.n DESC", options);
    while (iterator.hasMoreResults()) pages.push((await iterator.fetchNext()).resources);
    assert.deepEqual(pages, [[4, 3], [2, 1], [0]]);
  });

  it("over all partitions are merged", async () => {
    const family = channel;
    for (const name of ["x", "y", "z"]) {
      channel = `${family} ${name}`;
      await create(item(`${name}1`, { n: 10, family }), item(`${name}2`, { n: 9, family }));
    }
    const where = `FROM c WHERE c.family = "${family}"`;
    const everywhere = (text) => query(text, {});
    assert.deepEqual(await everywhere(`SELECT VALUE COUNT(1) ${where}`), [6]);
    assert.deepEqual(await everywhere(`SELECT VALUE MAX(c.n) ${where}`), [10]);
    assert.deepEqual(await everywhere(`SELECT VALUE c.n ${where} ORDER BY c.n`), [9, 9, 9, 10, 10, 10]);
    assert.equal((await everywhere(`SELECT TOP 4 * ${where}`)).length, 4);
    assert.deepEqual((await everywhere(`SELECT DISTINCT VALUE c.n ${where}`)).sort(), [10, 9]);
    const groups = await everywhere(`SELECT c.n, COUNT(1) AS items ${where} GROUP BY c.n`);
    assert.deepEqual(groups.sort((a, b) => a.n - b.n), [{ n: 9, items: 3 }, { n: 10, items: 3 }]);
    assert.equal((await everywhere(`SELECT * ${where} ORDER BY c.id OFFSET 1 LIMIT 2`)).length, 2);
  });

  it("that are not understood are errors", () => refused(query("SELECT * FROM c WHERE c.n ~ 1"), 400));
});

describe("containers", () => {
  it("are created and deleted", async () => {
    const { container: other } = await database.containers.createIfNotExists({ id: randomUUID(), partitionKey: "/pk" });
    await other.items.create({ id: "a", pk: "p" });
    assert.equal((await other.items.readAll().fetchAll()).resources.length, 1);
    await other.delete();
    await refused(other.read(), 404);
  });
});
