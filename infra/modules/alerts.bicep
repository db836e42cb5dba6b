// Who is told when the system is not well. Names and fields of the queries are those of docs/logging.md.

import { AlertThresholds, Tags } from '../types.bicep'

param namePrefix string
param location string
param tags Tags

@description('Who gets the alarms.')
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

// Every event that is given up ends here, and nothing else should: one is worth a look.
resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'alert-${namePrefix}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages are in the dead-letter queue of the topic. Their events\' records name the reasons; POST /api/trigger-journey with {"deadLetters": {"max": 20}} takes them up again.'
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
    description: 'Events were given up for the reason named in the alert; `held` means that a person must decide, because a trigger may have been invoked. The workbook lists them.'
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
    description: 'The event store is not being read: the Scale Unit, Cosmos DB or Service Bus is away, or the app does not run. Nothing is lost meanwhile; nothing is sent either.'
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
    description: 'More than 5 of 100 journeys started later after their event than the threshold allows. docs/sizing.md tells which limit to look at.'
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
    description: 'The dependency named in the alert answers 429 more often than the threshold allows. The app waits as long as it is told to; docs/sizing.md tells what to turn.'
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
    name: 'restarts'
    title: 'The handler restarts or does not start'
    description: 'At the third error the Functions host gives up. handlerNotStarted in the log names every wrong setting at once.'
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
