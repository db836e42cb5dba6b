// Alerts of the real-time app. Names and fields of the queries are those of docs/logging.md.

import { AlertThresholds, Tags } from '../types.bicep'

param namePrefix string
param location string
param tags Tags

@description('Who gets the alerts.')
param email string
param thresholds AlertThresholds
param applicationInsightsId string
param serviceBusNamespaceId string
param topicName string

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${namePrefix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'journeys'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// Every event that fails permanently ends here, and nothing else should: one message is enough for an alert.
resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'alert-${namePrefix}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages are in the dead-letter queue of the topic. Their events\' records contain the reasons. POST /api/trigger-journey with {"deadLetters": {"max": 20}} redrives them.'
    severity: 2
    enabled: true
    scopes: [
      serviceBusNamespaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead letters'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: [
                topicName
              ]
            }
          ]
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: operators.id
      }
    ]
  }
}

var rules = [
  {
    name: 'failed-events'
    title: 'Events failed or are held'
    description: 'Events failed permanently for the reason in the alert. `held` means that an operator must decide, because a trigger may have been invoked. The workbook lists them.'
    severity: 2
    frequency: 'PT5M'
    window: 'PT15M'
    query: loadTextContent('../queries/failed-events.kql')
    aggregation: 'Total'
    measure: 'failures'
    operator: 'GreaterThan'
    threshold: 0
    dimension: 'reason'
  }
  {
    name: 'no-poll'
    title: 'No poll has succeeded for ten minutes'
    description: 'The event store is not being read: the Scale Unit, Cosmos DB or Service Bus is not available, or the app does not run. No event is lost, but no journey starts.'
    severity: 1
    frequency: 'PT5M'
    window: 'PT10M'
    query: loadTextContent('../queries/polls.kql')
    aggregation: 'Total'
    measure: 'polls'
    operator: 'LessThan'
    threshold: 1
    dimension: ''
  }
  {
    name: 'latency'
    title: 'Journeys start late'
    description: 'More than 5 of 100 journeys started later after their event than the threshold allows. The workbook shows how long messages waited for an instance; docs/sizing.md lists the limits.'
    severity: 3
    frequency: 'PT5M'
    window: 'PT15M'
    query: loadTextContent('../queries/latency.kql')
    aggregation: 'Maximum'
    measure: 'seconds'
    operator: 'GreaterThan'
    threshold: thresholds.latencySeconds
    dimension: ''
  }
  {
    name: 'throttled'
    title: 'A dependency throttles us'
    description: 'The dependency named in the alert answers 429 more often than the threshold allows. The app waits as long as Retry-After says. Dataverse has three limits: 0x80072322 (requests), 0x80072326 (requests at once), 0x80072321 (execution time). docs/sizing.md has the settings to change.'
    severity: 3
    frequency: 'PT5M'
    window: 'PT15M'
    query: loadTextContent('../queries/throttled.kql')
    aggregation: 'Total'
    measure: 'answers'
    operator: 'GreaterThan'
    threshold: thresholds.throttledCalls
    dimension: 'dependency'
  }
  {
    name: 'lost-messages'
    title: 'Messages disappear from the subscription'
    description: 'Messages were settled without an invocation, purged or lost. Their events were published again, and their journeys start late. The log event messageLost lists them. If it repeats, check the filters and the receivers of the subscription, and open a support case for the Functions host.'
    severity: 2
    frequency: 'PT15M'
    window: 'PT15M'
    query: loadTextContent('../queries/lost-messages.kql')
    aggregation: 'Total'
    measure: 'messages'
    operator: 'GreaterThan'
    threshold: 0
    dimension: 'eventType'
  }
  {
    name: 'restarts'
    title: 'The handler restarts or does not start'
    description: 'After three errors the Functions host stops trying. handlerNotStarted in the log lists every wrong setting at once.'
    severity: 1
    frequency: 'PT5M'
    window: 'PT30M'
    query: loadTextContent('../queries/restarts.kql')
    aggregation: 'Maximum'
    measure: 'restarts'
    operator: 'GreaterThanOrEqual'
    threshold: 2
    dimension: ''
  }
]

module logAlerts 'log-alerts.bicep' = {
  params: {
    namePrefix: namePrefix
    location: location
    tags: tags
    rules: rules
    applicationInsightsId: applicationInsightsId
    actionGroupId: operators.id
  }
}

output actionGroupId string = operators.id
