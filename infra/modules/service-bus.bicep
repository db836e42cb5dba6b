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
    // poll-events publishes an event with its id. It does so again if it crashed between sending and recording that:
    // after LeaseDuration (2 min) and the next poll. The window must be longer than that. Rescheduled messages, and
    // those that replace a lost one, have another id and pass. Duplicates after the window cost one read each.
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    // Much longer than RetryHorizon (1 day): no message expires while it is retried, or when the app is off for a
    // weekend.
    defaultMessageTimeToLive: 'P14D'
    // Room for a long outage of Dataverse: about 250,000 messages of 20 kB.
    maxSizeInMegabytes: 5120
    enableBatchedOperations: true
    supportOrdering: false
  }
}

// No autoDeleteOnIdle: a subscription that is deleted after two quiet weeks would lose later messages.
resource orderSubscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2026-01-01' = {
  parent: orderTopic
  name: subscriptionName
  properties: {
    // The time until a message is delivered again after its instance was killed. The host renews the lock while a delivery
    // is processed (maxAutoLockRenewalDuration in host.json, 5 min), so a longer time would only delay recovery.
    lockDuration: 'PT1M'
    // Outages use no deliveries: process-message reschedules the message and completes the original. The rest are crashes
    // (one delivery each) and outages of Service Bus and Dataverse at the same time (one per three and a half minutes). A
    // message that failed permanently fails on every delivery, with one read, until this count dead-letters it.
    maxDeliveryCount: 10
    deadLetteringOnMessageExpiration: true
    deadLetteringOnFilterEvaluationExceptions: true
    requiresSession: false
    enableBatchedOperations: true
  }
}

output hostName string = split(replace(serviceBus.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
