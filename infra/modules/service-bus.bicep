// Service Bus: the topic between poll-events and process-message. Standard tier (topics, duplicate detection, scheduled
// messages), without shared access keys.

import { Tags } from '../types.bicep'

@minLength(6)
@maxLength(50)
param name string
param location string
param tags Tags
param topicName string
param subscriptionName string

resource serviceBus 'Microsoft.ServiceBus/namespaces@2026-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
  }
}

resource orderTopic 'Microsoft.ServiceBus/namespaces/topics@2026-01-01' = {
  parent: serviceBus
  name: topicName
  properties: {
    // poll-events publishes an event under its id. It does so again when it died between sending and recording that:
    // after LeaseDuration (2 min) and the next poll. The window must be longer than that, and shorter than twice
    // RetryHorizon (2 days), when an event whose message vanished is rightly published once more. Copies for a later
    // attempt carry an id of their own and pass. Duplicates after the window cost one read each.
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    // Longer than RetryHorizon (1 day) by far: nothing expires while it is being retried, and a weekend without the app
    // expires nothing either.
    defaultMessageTimeToLive: 'P14D'
    // Room for a long outage of Dataverse: about 250,000 messages of 20 kB.
    maxSizeInMegabytes: 5120
    enableBatchedOperations: true
    supportOrdering: false
  }
}

// No autoDeleteOnIdle: a subscription that disappears over a quiet fortnight takes later messages with it.
resource orderSubscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2026-01-01' = {
  parent: orderTopic
  name: subscriptionName
  properties: {
    // The time until a message comes back after its instance was killed. The host renews the lock while a delivery is
    // at work (maxAutoLockRenewalDuration in host.json, 5 min), so a longer one would only delay recovery.
    lockDuration: 'PT1M'
    // Outages burn no deliveries: process-message schedules a copy and completes the original. What is left are crashes
    // (each one delivery) and outages of Service Bus and Dataverse at once (one per three and a half minutes). A message
    // that has failed for good is refused on every delivery, at one read, until this count sends it to the dead letters.
    maxDeliveryCount: 10
    deadLetteringOnMessageExpiration: true
    deadLetteringOnFilterEvaluationExceptions: true
    requiresSession: false
    enableBatchedOperations: true
  }
}

output hostName string = split(replace(serviceBus.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
