// Alerts and workbook of the lake side. Names and fields of the queries are those of docs/lake/logging.md.

import { LakeAlertThresholds, Tags } from '../types.bicep'

param namePrefix string
param location string
param tags Tags
param thresholds LakeAlertThresholds
param applicationInsightsId string

@description('Who gets the alerts.')
param actionGroupId string
param workbookName string

var rules = [
  {
    name: 'preparation-failed'
    title: 'A preparation failed'
    description: 'The export could not be read, or the prepared tables could not be written: preparationFailed in the log contains the error. Published tables are complete, and the next preparation continues from them.'
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    query: loadTextContent('../queries/lake/failed.kql')
    aggregation: 'Total'
    measure: 'failures'
    operator: 'GreaterThan'
    threshold: 0
    dimension: ''
  }
  {
    name: 'preparation-stopped'
    title: 'The quality gate stopped a preparation'
    description: 'The result would be wrong, by the check in the alert. Customer Insights - Data continues to use the tables of the last successful preparation. The workbook shows the checks; the table of rejected rows has the reasons.'
    severity: 1
    frequency: 'PT15M'
    window: 'PT1H'
    query: loadTextContent('../queries/lake/stopped.kql')
    aggregation: 'Total'
    measure: 'stops'
    operator: 'GreaterThan'
    threshold: 0
    dimension: 'check'
  }
  {
    name: 'no-preparation'
    title: 'No preparation has finished for hours'
    description: 'Preparations fail, are stopped, are killed, or do not run: the workbook shows which. Customer Insights - Data continues to use the last tables.'
    severity: 1
    frequency: 'PT15M'
    window: 'P1D'
    query: loadTextContent('../queries/lake/last.kql')
    aggregation: 'Maximum'
    measure: 'hours'
    operator: 'GreaterThanOrEqual'
    threshold: thresholds.hoursWithoutPreparation
    dimension: ''
  }
  {
    name: 'export-behind'
    title: 'The export is behind'
    description: 'Preparations run, but the newest row that they find is old: look at Synapse Link or Link to Fabric.'
    severity: 2
    frequency: 'PT15M'
    window: 'P1D'
    query: loadTextContent('../queries/lake/freshness.kql')
    aggregation: 'Maximum'
    measure: 'hours'
    operator: 'GreaterThan'
    threshold: thresholds.hoursBehind
    dimension: ''
  }
  {
    name: 'rejected-rows'
    title: 'Many rows are rejected'
    description: 'More rows are rejected than the threshold allows. The workbook shows the reasons, the table of rejected rows contains the rows.'
    severity: 3
    frequency: 'PT15M'
    window: 'P1D'
    query: loadTextContent('../queries/lake/rejected.kql')
    aggregation: 'Maximum'
    measure: 'percent'
    operator: 'GreaterThan'
    threshold: thresholds.rejectedPercent
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
    actionGroupId: actionGroupId
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a GUID.
  name: guid(applicationInsightsId, 'prepared-data')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: workbookName
    category: 'workbook'
    sourceId: applicationInsightsId
    version: 'Notebook/1.0'
    serializedData: replace(loadTextContent('../lake-workbook.json'), '{ApplicationInsightsId}', applicationInsightsId)
  }
}
