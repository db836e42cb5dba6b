// Log Analytics and Application Insights. Telemetry is accepted from Entra identities only: the key in the connection
// string alone gives no access.

import { Tags } from '../types.bicep'

param workspaceName string
param applicationInsightsName string
param location string
param tags Tags

@description('Days that telemetry is kept. More than 31 (Log Analytics) or 90 (Application Insights) it is billed.')
@minValue(30)
@maxValue(730)
param retentionInDays int

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionInDays
    features: {
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

output connectionString string = applicationInsights.properties.ConnectionString
