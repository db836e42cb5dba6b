// The operator's workbook in the portal: Application Insights > Workbooks > Commerce Journeys.

import { Tags } from '../types.bicep'

param location string
param tags Tags
param displayName string
param applicationInsightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a GUID.
  name: guid(applicationInsightsId, 'commerce-journeys')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: applicationInsightsId
    version: 'Notebook/1.0'
    serializedData: replace(loadTextContent('../workbook.json'), '{ApplicationInsightsId}', applicationInsightsId)
  }
}
