// The identity under which the repository's workflow deploys: no secret, and no right but to publish to this one app.

import { builtInRoles } from '../roles.bicep'
import { GitHub } from '../types.bicep'

param name string
param location string
param tags object
param github GitHub
param functionAppName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags

  resource credential 'federatedIdentityCredentials' = {
    name: 'github-${github.environment}'
    properties: {
      issuer: 'https://token.actions.githubusercontent.com'
      subject: 'repo:${github.repository}:environment:${github.environment}'
      audiences: [
        'api://AzureADTokenExchange'
      ]
    }
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(app.id, identity.id, builtInRoles.websiteContributor)
  scope: app
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.websiteContributor)
  }
}

output clientId string = identity.properties.clientId
