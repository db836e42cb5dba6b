"""Tests of the sandbox's Service Bus with the Python client library.

The driver, `sandbox/tests/clients`, sets CONNECTION_STRING and TOKEN, and executes commands: "purge" removes all
messages, "restart" takes the broker off the network and puts it back.
"""

import datetime
import os
import sys
import time
import unittest
import uuid

from azure.core.credentials import AccessToken
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    AutoLockRenewer,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.amqp import AmqpAnnotatedMessage
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
)

CONNECTION_STRING = os.environ["CONNECTION_STRING"]
TOPIC = "orders"


def command(name):
    print(f"@{name}", flush=True)
    assert sys.stdin.readline().strip() == "done"


def utc_in(seconds):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


class Entra:
    """A credential with one token, valid or not."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **options):
        return AccessToken(self.token, int(time.time()) + 3600)


class Case(unittest.TestCase):
    def setUp(self):
        self.client = ServiceBusClient.from_connection_string(CONNECTION_STRING, retry_total=0)
        self.sender = self.client.get_topic_sender(TOPIC)
        command("purge")

    def tearDown(self):
        self.sender.close()
        self.client.close()

    def receiver(self, subscription="all", **options):
        receiver = self.client.get_subscription_receiver(TOPIC, subscription, **options)
        self.addCleanup(receiver.close)
        return receiver

    def send(self, *bodies):
        self.sender.send_messages([ServiceBusMessage(body, message_id=str(uuid.uuid4())) for body in bodies])

    def one(self, receiver):
        messages = receiver.receive_messages(max_message_count=1, max_wait_time=10)
        self.assertEqual(len(messages), 1)
        return messages[0]

    def assert_empty(self, receiver):
        self.assertEqual(receiver.receive_messages(max_message_count=1, max_wait_time=0.5), [])


class Messages(Case):
    def test_all_parts_of_a_message_arrive(self):
        sent_at = utc_in(0)
        moment = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
        properties = {
            "text": "Zoë 😀",
            "number": 7,
            "fraction": 2.5,
            "truth": True,
            "moment": moment,
            "id": uuid.UUID(int=7),
        }
        message = ServiceBusMessage(
            b"\x00body\xff",
            message_id="m1",
            correlation_id="c1",
            content_type="application/json",
            subject="subject",
            to="to",
            reply_to="reply-to",
            partition_key="key",
            time_to_live=datetime.timedelta(minutes=5),
            application_properties=properties,
        )
        self.sender.send_messages(message)
        receiver = self.receiver()
        received = self.one(receiver)
        self.assertEqual(b"".join(received.body), b"\x00body\xff")
        named = (received.message_id, received.correlation_id, received.content_type, received.subject)
        self.assertEqual(named, ("m1", "c1", "application/json", "subject"))
        self.assertEqual((received.to, received.reply_to, received.partition_key), ("to", "reply-to", "key"))
        got = {name.decode(): value for name, value in received.application_properties.items()}
        self.assertEqual(got.pop("text").decode(), properties.pop("text"))
        got["moment"] = datetime.datetime.fromtimestamp(got["moment"] / 1000, datetime.timezone.utc)
        self.assertEqual(got, properties)
        self.assertEqual(received.delivery_count, 0)
        self.assertEqual(received.state, ServiceBusMessageState.ACTIVE)
        self.assertEqual(received.time_to_live, datetime.timedelta(minutes=5))
        self.assertGreater(received.sequence_number, 0)
        self.assertGreaterEqual(received.enqueued_time_utc, sent_at - datetime.timedelta(milliseconds=2))
        self.assertEqual(received.expires_at_utc, received.enqueued_time_utc + datetime.timedelta(minutes=5))
        self.assertGreater(received.locked_until_utc, utc_in(30))
        receiver.complete_message(received)
        self.assert_empty(receiver)

    def test_bodies_can_be_other_types(self):
        self.sender.send_messages(AmqpAnnotatedMessage(value_body={"nested": [1, "two", None]}))
        self.sender.send_messages(AmqpAnnotatedMessage(sequence_body=[[1, 2], [3]]))
        self.sender.send_messages(AmqpAnnotatedMessage(data_body=[b"a", b"b"]))
        receiver = self.receiver(receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
        self.assertEqual(self.one(receiver).raw_amqp_message.body, {b"nested": [1, b"two", None]})
        self.assertEqual(list(self.one(receiver).raw_amqp_message.body), [[1, 2], [3]])
        self.assertEqual(list(self.one(receiver).raw_amqp_message.body), [b"a", b"b"])

    def test_a_session_id_is_carried_and_ignored(self):
        self.sender.send_messages(ServiceBusMessage("x", session_id="s"))
        self.assertEqual(self.one(self.receiver()).session_id, "s")

    def test_a_batch_arrives_in_order(self):
        batch = self.sender.create_message_batch()
        for number in range(100):
            batch.add_message(ServiceBusMessage(str(number)))
        self.sender.send_messages(batch)
        receiver = self.receiver(prefetch_count=100)
        bodies = []
        while len(bodies) < 100:
            for message in receiver.receive_messages(max_message_count=100, max_wait_time=10):
                bodies.append(int(str(message)))
                receiver.complete_message(message)
        self.assertEqual(bodies, list(range(100)))

    def test_a_large_message_uses_many_frames(self):
        body = bytes(range(256)) * 900
        self.sender.send_messages(ServiceBusMessage(body))
        receiver = self.receiver()
        message = self.one(receiver)
        self.assertEqual(b"".join(message.body), body)
        receiver.complete_message(message)

    def test_a_message_that_is_too_large_is_rejected(self):
        with self.assertRaises(MessageSizeExceededError):
            self.sender.send_messages(ServiceBusMessage(b"x" * 300_000))
        batch = self.sender.create_message_batch()
        self.assertLessEqual(batch.max_size_in_bytes, 256 * 1024)
        self.assert_empty(self.receiver())

    def test_receive_and_delete_removes_the_message(self):
        self.send("one", "two")
        receiver = self.receiver(receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
        self.assertEqual(str(self.one(receiver)), "one")
        self.assertEqual(str(self.one(receiver)), "two")
        self.assert_empty(self.receiver())

    def test_peek_removes_nothing(self):
        self.send("one", "two", "three")
        receiver = self.receiver()
        locked = self.one(receiver)
        peeked = receiver.peek_messages(max_message_count=10, sequence_number=1)
        self.assertEqual([str(message) for message in peeked], ["one", "two", "three"])
        later = receiver.peek_messages(max_message_count=1, sequence_number=peeked[1].sequence_number)
        self.assertEqual([str(message) for message in later], ["two"])
        self.assertEqual(receiver.peek_messages(sequence_number=peeked[2].sequence_number + 1), [])
        receiver.complete_message(locked)


class Settling(Case):
    def test_abandoned_until_dead_lettered(self):
        self.send("poison")
        receiver = self.receiver()
        for count in range(3):
            message = self.one(receiver)
            self.assertEqual(message.delivery_count, count)
            receiver.abandon_message(message)
        self.assert_empty(receiver)
        dead = self.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER)
        letter = self.one(dead)
        self.assertEqual(letter.dead_letter_reason, "MaxDeliveryCountExceeded")
        self.assertEqual(
            letter.dead_letter_error_description, "Message could not be consumed after 3 delivery attempts."
        )
        # Only messages that were forwarded have a source.
        self.assertIsNone(letter.dead_letter_source)
        dead.complete_message(letter)
        self.assert_empty(dead)

    def test_dead_lettered_with_a_reason(self):
        self.send("bad")
        receiver = self.receiver()
        receiver.dead_letter_message(self.one(receiver), reason="Unreadable", error_description="no JSON at all")
        letter = self.one(self.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER))
        self.assertEqual(letter.dead_letter_reason, "Unreadable")
        self.assertEqual(letter.dead_letter_error_description, "no JSON at all")

    def test_messages_that_nobody_saw_are_not_failed_deliveries(self):
        # This receiver waits no longer, but its credit stays on the link. The client releases what arrives.
        idle = self.receiver()
        self.assertEqual(idle.receive_messages(max_message_count=32, max_wait_time=1), [])
        self.send("late")
        receiver = self.receiver()
        (message,) = receiver.receive_messages(max_message_count=1, max_wait_time=60)
        self.assertEqual(message.delivery_count, 0)
        receiver.complete_message(message)
        self.assert_empty(self.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER))

    def test_deferred_messages_are_received_by_number(self):
        self.send("later")
        receiver = self.receiver()
        message = self.one(receiver)
        receiver.defer_message(message)
        self.assert_empty(receiver)
        self.assertEqual(receiver.peek_messages(sequence_number=1)[0].state, ServiceBusMessageState.DEFERRED)
        (deferred,) = receiver.receive_deferred_messages([message.sequence_number])
        self.assertEqual((str(deferred), deferred.delivery_count), ("later", 1))
        with self.assertRaises(MessageNotFoundError):
            receiver.receive_deferred_messages([message.sequence_number])
        receiver.complete_message(deferred)
        self.assertEqual(receiver.peek_messages(sequence_number=1), [])

    def test_a_renewed_lock_is_valid(self):
        self.send("slow")
        receiver = self.receiver("brief")
        message = self.one(receiver)
        first = message.locked_until_utc
        time.sleep(1)
        self.assertGreater(receiver.renew_message_lock(message), first)
        with AutoLockRenewer() as renewer:
            renewer.register(receiver, message, max_lock_renewal_duration=30)
            time.sleep(4)
        receiver.complete_message(message)
        self.assertEqual(receiver.peek_messages(sequence_number=1), [])

    def test_an_expired_lock_settles_nothing(self):
        self.send("too slow")
        receiver = self.receiver("brief")
        message = self.one(receiver)
        other = self.one(self.receiver("brief"))
        self.assertEqual(other.delivery_count, 1)
        with self.assertRaises(MessageLockLostError):
            receiver.complete_message(message)
        with self.assertRaises(MessageLockLostError):
            receiver.renew_message_lock(message)


class Schedules(Case):
    def test_a_scheduled_message_arrives_on_time(self):
        self.sender.schedule_messages(ServiceBusMessage("in time"), utc_in(2))
        receiver = self.receiver()
        self.assert_empty(receiver)
        message = self.one(receiver)
        self.assertEqual(str(message), "in time")
        self.assertGreaterEqual(message.enqueued_time_utc, message.scheduled_enqueue_time_utc)
        receiver.complete_message(message)

    def test_a_time_in_the_past_means_now(self):
        (number,) = self.sender.schedule_messages(ServiceBusMessage("late", message_id="known"), utc_in(-60))
        self.assertGreater(number, 0)
        receiver = self.receiver()
        message = self.one(receiver)
        self.assertEqual((str(message), message.delivery_count), ("late", 0))
        receiver.complete_message(message)
        self.assert_empty(receiver)

    def test_a_cancelled_message_never_arrives(self):
        numbers = self.sender.schedule_messages([ServiceBusMessage("no"), ServiceBusMessage("neither")], utc_in(1))
        self.assertEqual(len(set(numbers)), 2)
        self.sender.cancel_scheduled_messages(numbers)
        with self.assertRaises(MessageNotFoundError):
            self.sender.cancel_scheduled_messages(numbers[0])
        self.assertEqual(self.receiver().receive_messages(max_wait_time=2), [])


class Refusals(Case):
    def test_no_sessions(self):
        for session in ["a", NEXT_AVAILABLE_SESSION]:
            with self.assertRaises(ServiceBusError) as refused:
                self.client.get_subscription_receiver(TOPIC, "all", session_id=session, max_wait_time=5).__enter__()
            self.assertIn("does not require sessions", str(refused.exception))

    def test_a_wrong_key_is_rejected(self):
        wrong = CONNECTION_STRING.replace("SharedAccessKey=", "SharedAccessKey=x")
        with ServiceBusClient.from_connection_string(wrong, retry_total=0) as client:
            with self.assertRaises(ServiceBusAuthenticationError):
                client.get_topic_sender(TOPIC).__enter__()

    def test_an_unknown_entity_is_not_found(self):
        for entity in [
            self.client.get_topic_sender("nowhere"),
            self.client.get_subscription_receiver(TOPIC, "nobody"),
            self.client.get_queue_receiver("nowhere"),
        ]:
            with self.assertRaises(MessagingEntityNotFoundError):
                entity.__enter__()

    def test_a_topic_is_not_a_queue(self):
        with self.assertRaises(ServiceBusError):
            self.client.get_queue_receiver(TOPIC).__enter__()

    def test_entra_tokens(self):
        host = CONNECTION_STRING.split("sb://")[1].split(";")[0]
        for token, good in [(os.environ["TOKEN"], True), ("a.forged.one", False)]:
            with ServiceBusClient(host, Entra(token), use_tls=False, retry_total=0) as client:
                sender = client.get_topic_sender(TOPIC)
                if good:
                    with sender:
                        sender.send_messages(ServiceBusMessage("signed by Entra"))
                else:
                    self.assertRaises(ServiceBusAuthenticationError, sender.__enter__)
        self.assertEqual(str(self.one(self.receiver())), "signed by Entra")


class Endurance(Case):
    def test_ten_thousand_messages(self):
        count = 10_000
        for start in range(0, count, 500):
            self.send(*[str(number) for number in range(start, start + 500)])
        receiver = self.receiver(prefetch_count=200)
        seen = []
        while len(seen) < count:
            messages = receiver.receive_messages(max_message_count=200, max_wait_time=20)
            self.assertTrue(messages, f"only {len(seen)} came")
            for message in messages:
                seen.append(int(str(message)))
                receiver.complete_message(message)
        self.assertEqual(seen, list(range(count)))
        self.assertEqual(receiver.peek_messages(sequence_number=1), [])

    def test_the_client_reconnects_after_an_outage(self):
        client = ServiceBusClient.from_connection_string(CONNECTION_STRING, retry_total=8, retry_backoff_factor=0.2)
        with client, client.get_topic_sender(TOPIC) as sender, client.get_subscription_receiver(TOPIC, "all") as receiver:
            sender.send_messages(ServiceBusMessage("before"))
            receiver.complete_message(self.one(receiver))
            command("restart")
            sender.send_messages(ServiceBusMessage("after"))
            message = self.one(receiver)
            self.assertEqual(str(message), "after")
            receiver.complete_message(message)
