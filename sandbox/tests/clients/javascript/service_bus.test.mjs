// Tests of the sandbox's Service Bus with the JavaScript client library.
//
// The driver, `sandbox/tests/clients`, sets CONNECTION_STRING and TOKEN, and executes commands: "purge" removes
// all messages, "restart" takes the broker off the network and puts it back.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient, isServiceBusError } from "@azure/service-bus";
import rhea from "rhea";

const { CONNECTION_STRING, TOKEN } = process.env;
const TOPIC = "orders";
const { types } = rhea;
const ONCE = { retryOptions: { maxRetries: 0 } };

const driver = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  process.stdout.write(`@${what}\n`);
  assert.equal((await driver.next()).value, "done");
}

let client, sender;

beforeEach(async () => {
  await ask("purge");
  client = new ServiceBusClient(CONNECTION_STRING, ONCE);
  sender = client.createSender(TOPIC);
});

afterEach(() => client.close());

after(() => process.stdin.destroy());

async function one(receiver) {
  const messages = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
  assert.equal(messages.length, 1);
  return messages[0];
}

async function assertEmpty(receiver) {
  assert.deepEqual(await receiver.receiveMessages(1, { maxWaitTimeInMs: 500 }), []);
}

async function rejected(promise, code) {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error, "it was not rejected");
  if (code) assert.ok(isServiceBusError(error) && error.code === code, `${error.code}: ${error.message}`);
  return error;
}

function receiverOf(subscription = "all", options = {}) {
  return client.createReceiver(TOPIC, subscription, options);
}

describe("messages", () => {
  it("arrive with all their parts", async () => {
    const message = {
      body: { text: "Zoë 😀", list: [1, 2.5, null, true] },
      messageId: "m1",
      correlationId: "c1",
      contentType: "application/json",
      subject: "subject",
      to: "to",
      replyTo: "reply-to",
      partitionKey: "key",
      timeToLive: 300_000,
      applicationProperties: { text: "x", number: 7, fraction: 2.5, truth: true, moment: new Date(1_772_366_400_000) },
    };
    await sender.sendMessages(message);
    const receiver = receiverOf("all", { skipConvertingDate: true });
    const received = await one(receiver);
    for (const [name, value] of Object.entries(message)) assert.deepEqual(received[name], value, name);
    assert.equal(received.deliveryCount, 0);
    assert.equal(received.state, "active");
    assert.ok(received.lockedUntilUtc - Date.now() > 30_000);
    assert.equal(received.expiresAtUtc - received.enqueuedTimeUtc, 300_000);
    assert.match(received.lockToken, /^[0-9a-f-]{36}$/);
    await receiver.completeMessage(received);
    await assertEmpty(receiver);
  });

  it("arrive with the type of their body", async () => {
    const bodies = [Buffer.from([0, 255]), "text", 42];
    await sender.sendMessages({ body: bodies[0] });
    await sender.sendMessages({ body: bodies[1], bodyType: "value" });
    await sender.sendMessages({ body: bodies[2], bodyType: "value" });
    await sender.sendMessages({ body: [[1, "two"]], bodyType: "sequence" });
    const receiver = receiverOf("all", { receiveMode: "receiveAndDelete" });
    for (const body of bodies) assert.deepEqual((await one(receiver)).body, body);
    assert.deepEqual((await one(receiver)).body, [[1, "two"]]);
    await assertEmpty(receiverOf());
  });

  it("arrive with .NET's types in their body", async () => {
    const bodies = [
      [types.wrap_described(types.wrap_long(36_000_000_000), "com.microsoft:timespan"), 36_000_000_000],
      [types.wrap_described("https://contoso.com/", "com.microsoft:uri"), "https://contoso.com/"],
    ];
    for (const [body] of bodies) await sender.sendMessages({ body, bodyType: "value" });
    const receiver = receiverOf("all", { receiveMode: "receiveAndDelete" });
    for (const [, expected] of bodies) {
      const { body } = await one(receiver);
      assert.equal(body.value ?? body, expected);
    }
  });

  it("may have a session id, which is ignored", async () => {
    await sender.sendMessages({ body: "x", sessionId: "s" });
    assert.equal((await one(receiverOf())).sessionId, "s");
  });

  it("arrive in the order of their batch", async () => {
    const batch = await sender.createMessageBatch();
    assert.equal(batch.maxSizeInBytes, 256 * 1024);
    for (let number = 0; number < 100; number++) assert.ok(batch.tryAddMessage({ body: number }));
    await sender.sendMessages(batch);
    const receiver = receiverOf("all", { receiveMode: "receiveAndDelete" });
    const bodies = [];
    while (bodies.length < 100) {
      const messages = await receiver.receiveMessages(100, { maxWaitTimeInMs: 10_000 });
      bodies.push(...messages.map((message) => message.body));
    }
    assert.deepEqual(bodies, [...Array(100).keys()]);
  });

  it("may be large, and not too large", async () => {
    const body = Buffer.alloc(230_000, 7);
    await sender.sendMessages({ body });
    const receiver = receiverOf();
    const message = await one(receiver);
    assert.ok(body.equals(message.body));
    await receiver.completeMessage(message);
    await rejected(sender.sendMessages({ body: Buffer.alloc(300_000) }), "MessageSizeExceeded");
    await assertEmpty(receiver);
  });

  it("can be peeked", async () => {
    await sender.sendMessages([{ body: "one" }, { body: "two" }]);
    const receiver = receiverOf();
    await one(receiver);
    const peeked = await receiver.peekMessages(10);
    assert.deepEqual(peeked.map((message) => message.body), ["one", "two"]);
    assert.deepEqual(await receiver.peekMessages(10), []);
  });
});

describe("settling", () => {
  it("abandons with changed properties, until the message is dead-lettered", async () => {
    await sender.sendMessages({ body: "poison", applicationProperties: { kept: 1, tries: 0 } });
    const receiver = receiverOf();
    for (let tries = 0; tries < 3; tries++) {
      const message = await one(receiver);
      assert.equal(message.deliveryCount, tries);
      assert.deepEqual(message.applicationProperties, { kept: 1, tries });
      await receiver.abandonMessage(message, { tries: tries + 1 });
    }
    await assertEmpty(receiver);
    const dead = receiverOf("all", { subQueueType: "deadLetter" });
    const letter = await one(dead);
    assert.equal(letter.deadLetterReason, "MaxDeliveryCountExceeded");
    assert.equal(letter.applicationProperties.tries, 3);
    await dead.completeMessage(letter);
    await assertEmpty(dead);
  });

  it("dead-letters with a reason", async () => {
    await sender.sendMessages({ body: "bad" });
    const receiver = receiverOf();
    const reason = { deadLetterReason: "Unreadable", deadLetterErrorDescription: "no JSON at all", seen: true };
    await receiver.deadLetterMessage(await one(receiver), reason);
    const letter = await one(receiverOf("all", { subQueueType: "deadLetter" }));
    assert.equal(letter.deadLetterReason, "Unreadable");
    assert.equal(letter.deadLetterErrorDescription, "no JSON at all");
    // Only messages that were forwarded have a source.
    assert.equal(letter.deadLetterSource, undefined);
    assert.equal(letter.applicationProperties.seen, true);
  });

  it("keeps the types of changed properties", async () => {
    await sender.sendMessages({ body: "typed" });
    const receiver = receiverOf();
    const id = Buffer.alloc(16, 7);
    const moment = new Date(1_772_366_400_000);
    const changes = { id: types.wrap_uuid(id), moment, fraction: types.wrap_float(0.5) };
    await receiver.abandonMessage(await one(receiver), changes);
    const { applicationProperties } = await one(receiverOf("all", { skipConvertingDate: true }));
    assert.deepEqual(applicationProperties, { id, moment, fraction: 0.5 });
  });

  it("counts no delivery that nobody saw", async () => {
    const seen = [];
    const receiver = receiverOf("all", { receiveMode: "peekLock" });
    const process = () =>
      new Promise((resolve, reject) => {
        const processMessage = async (message) => {
          seen.push(message.deliveryCount);
          if (seen.length === 400) resolve();
        };
        const subscription = receiver.subscribe(
          { processMessage, processError: async ({ error }) => reject(error) },
          { maxConcurrentCalls: 16 },
        );
        // The first one is stopped while its credit is on the link.
        if (seen.stopped === undefined) seen.stopped = sleep(200).then(() => subscription.close()).then(resolve);
      });
    await process();
    await seen.stopped;
    const processed = process();
    for (let part = 0; part < 20; part++) {
      await sender.sendMessages([...Array(20).keys()].map((number) => ({ body: number })));
    }
    await processed;
    assert.deepEqual(seen.filter((count) => count > 0), []);
    await assertEmpty(receiverOf("all", { subQueueType: "deadLetter" }));
  });

  it("defers until the message is received by its number", async () => {
    await sender.sendMessages({ body: "later" });
    const receiver = receiverOf();
    const message = await one(receiver);
    await receiver.deferMessage(message, { set: "aside" });
    await assertEmpty(receiver);
    const [deferred] = await receiver.receiveDeferredMessages(message.sequenceNumber);
    assert.equal(deferred.state, "deferred");
    assert.deepEqual(deferred.applicationProperties, { set: "aside" });
    await rejected(receiver.receiveDeferredMessages(message.sequenceNumber), "MessageNotFound");
    await receiver.completeMessage(deferred);
    assert.deepEqual(await receiver.peekMessages(1, { fromSequenceNumber: message.sequenceNumber }), []);
  });

  it("works only while the lock is valid", async () => {
    await sender.sendMessages({ body: "slow" });
    const receiver = receiverOf("brief", { maxAutoLockRenewalDurationInMs: 0 });
    const message = await one(receiver);
    await sleep(1_000);
    const until = await receiver.renewMessageLock(message);
    assert.ok(until - Date.now() > 1_000);
    await sleep(1_500);
    await receiver.abandonMessage(message);
    const late = await one(receiver);
    await sleep(2_500);
    await rejected(receiver.completeMessage(late), "MessageLockLost");
    await rejected(receiver.renewMessageLock(late), "MessageLockLost");
  });

  it("works after the link is closed", async () => {
    await sender.sendMessages({ body: "handed over" });
    const first = receiverOf();
    const message = await one(first);
    // The client then settles with the lock token at the management node.
    await first.close();
    const second = receiverOf();
    await second.completeMessage(message);
    assert.deepEqual(await second.peekMessages(1), []);
  });
});

describe("schedules", () => {
  it("are kept", async () => {
    await sender.scheduleMessages({ body: "in time" }, new Date(Date.now() + 2_000));
    const receiver = receiverOf();
    await assertEmpty(receiver);
    const message = await one(receiver);
    assert.ok(message.enqueuedTimeUtc >= message.scheduledEnqueueTimeUtc);
    await receiver.completeMessage(message);
  });

  it("in the past mean now", async () => {
    const past = new Date(Date.now() - 60_000);
    const [number] = await sender.scheduleMessages({ body: "late", messageId: "known" }, past);
    assert.ok(number.toNumber() > 0);
    const receiver = receiverOf();
    await receiver.completeMessage(await one(receiver));
    await assertEmpty(receiver);
  });

  it("can be cancelled", async () => {
    const numbers = await sender.scheduleMessages([{ body: 1 }, { body: 2 }], new Date(Date.now() + 1_000));
    await sender.cancelScheduledMessages(numbers);
    await rejected(sender.cancelScheduledMessages(numbers[0]), "MessageNotFound");
    assert.deepEqual(await receiverOf().receiveMessages(1, { maxWaitTimeInMs: 2_000 }), []);
  });
});

describe("rejections", () => {
  it("of sessions", async () => {
    // This client does not return the reason.
    await rejected(client.acceptSession(TOPIC, "all", "a"), "SessionCannotBeLocked");
    await rejected(client.acceptNextSession(TOPIC, "all"));
  });

  it("of a wrong key", async () => {
    const wrong = CONNECTION_STRING.replace("SharedAccessKey=", "SharedAccessKey=x");
    const stranger = new ServiceBusClient(wrong, ONCE);
    await rejected(stranger.createSender(TOPIC).sendMessages({ body: "let me in" }), "UnauthorizedAccess");
    await stranger.close();
  });

  it("of what does not exist", async () => {
    await rejected(client.createSender("nowhere").sendMessages({ body: "" }), "MessagingEntityNotFound");
    const nobody = client.createReceiver(TOPIC, "nobody");
    await rejected(nobody.receiveMessages(1, { maxWaitTimeInMs: 500 }), "MessagingEntityNotFound");
  });
});

describe("the long run", () => {
  it("takes ten thousand messages through a processor", { timeout: 120_000 }, async () => {
    const count = 10_000;
    for (let start = 0; start < count; start += 1_000) {
      await sender.sendMessages([...Array(1_000).keys()].map((number) => ({ body: start + number })));
    }
    const receiver = receiverOf();
    const seen = new Set();
    await new Promise((resolve, reject) => {
      const processMessage = async (message) => {
        seen.add(message.body);
        if (seen.size === count) resolve();
      };
      receiver.subscribe({ processMessage, processError: async ({ error }) => reject(error) }, { maxConcurrentCalls: 50 });
    });
    await receiver.close();
    // The last messages are completed after they were processed.
    while ((await receiverOf().peekMessages(1)).length > 0) await sleep(100);
  });

  it("renews the lock during long processing", async () => {
    await sender.sendMessages({ body: "slow" });
    const receiver = receiverOf("brief", { maxAutoLockRenewalDurationInMs: 30_000 });
    let calls = 0;
    const handled = new Promise((resolve, reject) => {
      const processMessage = async () => {
        calls += 1;
        await sleep(5_000);
        resolve();
      };
      receiver.subscribe({ processMessage, processError: async ({ error }) => reject(error) });
    });
    await handled;
    await sleep(500);
    await receiver.close();
    assert.equal(calls, 1);
    assert.deepEqual(await receiverOf("brief").peekMessages(1), []);
  });

  it("survives the broker's restart", { timeout: 60_000 }, async () => {
    const patient = new ServiceBusClient(CONNECTION_STRING);
    // This client fails at once if there is no server.
    const insist = (action) => action().catch(() => sleep(200).then(() => insist(action)));
    const lasting = patient.createSender(TOPIC);
    const receiver = patient.createReceiver(TOPIC, "all");
    await lasting.sendMessages({ body: "before" });
    await receiver.completeMessage(await one(receiver));
    await ask("restart");
    await insist(() => lasting.sendMessages({ body: "after" }));
    const message = await one(receiver);
    assert.equal(message.body, "after");
    await receiver.completeMessage(message);
    await patient.close();
  });
});

describe("tokens of Entra", () => {
  const entra = (token) => ({ getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) });
  const host = CONNECTION_STRING.match(/sb:\/\/([^;]+)/)[1];

  // Without a connection string this client requires TLS, which the sandbox does not support. So the token takes the
  // place of the signature in a client that was made with one.
  for (const [token, good] of [[TOKEN, true], ["a.forged.one", false]]) {
    it(good ? "are accepted" : "are rejected if they are forged", async () => {
      const stranger = new ServiceBusClient(CONNECTION_STRING, ONCE);
      stranger["_connectionContext"].tokenCredential = entra(token);
      const sent = stranger.createSender(TOPIC).sendMessages({ body: host });
      if (good) await sent;
      else await rejected(sent, "UnauthorizedAccess");
      await stranger.close();
    });
  }
});
