// The lake side: a second function app that prepares what Commerce exported, the storage of the result, its roles, its
// alerts. It shares only Application Insights and the action group with the real-time app.

import { Lake, Tags } from '../types.bicep'

param namePrefix string
param functionAppName string
param hostStorageName string
param preparedStorageName string
param location string
param tags Tags
param lake Lake

@description('As for the real-time app: some regions accept no small values. The timer runs on one instance in any case.')
param maximumInstanceCount int

param applicationInsightsId string
param applicationInsightsName string
param applicationInsightsConnectionString string

@description('Who gets the alerts.')
param actionGroupId string

@description('Object id of the Entra group of the operators; empty for none.')
param operatorsGroupId string

@description('The workbook\'s name.')
param workbookName string

// As in main.bicep: names that are known before the deployment starts.
var identityName = 'id-${namePrefix}-lake'
var preparedContainerName = 'prepared'

var identityId = resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', identityName)

module identity 'identity.bicep' = {
  params: {
    name: identityName
    location: location
    tags: tags
  }
}

module hostStorage 'storage.bicep' = {
  params: {
    name: hostStorageName
    location: location
    tags: tags
  }
}

module prepared 'lake-prepared.bicep' = {
  params: {
    name: preparedStorageName
    containerName: preparedContainerName
    location: location
    tags: tags
  }
}

module access 'lake-access.bicep' = {
  dependsOn: [
    hostStorage
    prepared
  ]
  params: {
    identityId: identityId
    principalId: identity.outputs.principalId
    customerInsightsPrincipalId: lake.?customerInsightsPrincipalId ?? ''
    readersGroupId: lake.?readersGroupId ?? operatorsGroupId
    hostStorageName: hostStorageName
    preparedStorageName: preparedStorageName
    preparedContainerName: preparedContainerName
    applicationInsightsName: applicationInsightsName
  }
}

var account = lake.?account

module reader 'lake-reader.bicep' = if (account != null) {
  scope: resourceGroup(
    account.?subscriptionId ?? subscription().subscriptionId,
    account.?resourceGroup ?? resourceGroup().name
  )
  params: {
    identityId: identityId
    principalId: identity.outputs.principalId
    storageAccountName: account.?name ?? ''
    containerName: account.?container ?? ''
  }
}

module app 'lake-app.bicep' = {
  // The app starts after its roles are assigned.
  dependsOn: [
    access
    reader
  ]
  params: {
    name: functionAppName
    planName: 'asp-${namePrefix}-lake'
    location: location
    tags: tags
    identityId: identityId
    identityClientId: identity.outputs.clientId
    hostStorageName: hostStorageName
    packagesUrl: hostStorage.outputs.packagesUrl
    applicationInsightsConnectionString: applicationInsightsConnectionString
    preparedLocation: prepared.outputs.location
    lake: lake
    maximumInstanceCount: maximumInstanceCount
  }
}

module watching 'lake-watching.bicep' = {
  params: {
    namePrefix: namePrefix
    location: location
    tags: tags
    thresholds: lake.?alertThresholds ?? {
      hoursWithoutPreparation: 12
      hoursBehind: 24
      rejectedPercent: 5
    }
    applicationInsightsId: applicationInsightsId
    actionGroupId: actionGroupId
    workbookName: workbookName
  }
}

output preparedLocation string = prepared.outputs.location
