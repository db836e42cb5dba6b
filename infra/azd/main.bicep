// What `azd up` deploys: a resource group, and infra/main.bicep in it. The parameters are flat, because azd asks for each
// one that has no value.

targetScope = 'subscription'

metadata description = 'Commerce Journeys for the Azure Developer CLI.'

import { Lake } from '../types.bicep'

@description('Name of the azd environment. It is part of every name.')
@minLength(2)
@maxLength(20)
param environmentName string

@description('Region. Choose one near the Scale Unit and Dataverse that offers Flex Consumption.')
param location string

@description('Name of the resource group that is made.')
param resourceGroupName string = 'rg-journeys-${environmentName}'

@description('Retail Server URL of the Commerce Scale Unit, such as https://contoso.scale.commerce.dynamics.com/.')
@minLength(9)
param commerceEndpoint string

@description('Operating unit number (OUN) under which the event store is searched, such as 052.')
@minLength(1)
param operatingUnitNumber string

@description('Application ID URI of the Retail Server\'s app registration (api://...): the server resource id in headquarters.')
@minLength(6)
param commerceAudience string

@description('Tenant of the Entra application that calls the Scale Unit.')
param commerceTenantId string = tenant().tenantId

@description('Application (client) id of the Entra application that calls the Scale Unit.')
@minLength(36)
@maxLength(36)
param commerceClientId string

@description('Secret of that application. Empty: a secret that is in Key Vault already stays.')
@secure()
param commerceClientSecret string = ''

@description('Dataverse environment URL, such as https://contoso.crm.dynamics.com.')
@minLength(9)
param dataverseUrl string

@description('Name of the custom trigger for order confirmations, from its code snippet.')
@minLength(1)
param orderConfirmationTrigger string

@description('File beside journeys.json with the changes of this environment, such as journeys.prod.json; empty for none.')
param journeysOverlay string = ''

@description('E-mail address for alerts.')
@minLength(3)
param alertEmail string

@description('Object id of the Entra group that may read the event records and the prepared tables; empty for none.')
param operatorsGroupId string = ''

@description('Instances of process-message that are always ready.')
@minValue(0)
@maxValue(20)
param alwaysReady int = 1

@description('Location of the lake export (abfss://...); empty for no lake side.')
param lakeLocation string = ''

@description('false makes a deleted key vault purgeable, so that `azd down --purge` leaves nothing. It cannot be set back to false.')
param protectKeyVault bool = true

var tags = {
  'azd-env-name': environmentName
}

var lake Lake? = empty(lakeLocation)
  ? null
  : {
      location: lakeLocation
    }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module app '../main.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    commerce: {
      endpoint: commerceEndpoint
      operatingUnitNumber: operatingUnitNumber
      audience: commerceAudience
      application: {
        tenantId: commerceTenantId
        clientId: commerceClientId
      }
    }
    commerceClientSecret: commerceClientSecret
    dataverseUrl: dataverseUrl
    triggers: {
      OrderConfirmationTrigger: orderConfirmationTrigger
    }
    journeysOverlay: journeysOverlay
    alertEmail: alertEmail
    scale: {
      maximumInstanceCount: 3
      messagesPerInstance: 16
      instanceMemoryMB: 2048
      alwaysReady: alwaysReady
    }
    operatorsGroupId: operatorsGroupId
    lake: lake
    protectKeyVault: protectKeyVault
  }
}

// azure.yaml names the apps by these.
output FUNCTION_APP_NAME string = app.outputs.functionAppName
output LAKE_FUNCTION_APP_NAME string = app.outputs.lakeFunctionAppName
output MANAGED_IDENTITY_CLIENT_ID string = app.outputs.managedIdentityClientId
output NEXT_STEPS string[] = app.outputs.nextSteps
