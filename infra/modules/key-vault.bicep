// Key Vault for the only secret: that of the Entra application for the Commerce Scale Unit.

import { Tags } from '../types.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags Tags

@description('The secret to store. If empty, an existing secret stays as it is.')
@secure()
param commerceClientSecret string

@description('Whether a deleted vault cannot be purged.')
param purgeProtection bool

var secretName = 'commerce-client-secret'

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    // Once on, it cannot be switched off; the service takes no false.
    enablePurgeProtection: purgeProtection ? true : null
  }
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = if (!empty(commerceClientSecret)) {
  parent: vault
  name: secretName
  tags: tags
  properties: {
    value: commerceClientSecret
    contentType: 'client secret of the Entra application for the Commerce Scale Unit'
  }
}

// Without a version, so that the app uses a new version within a day, without a deployment.
output commerceClientSecretUri string = '${vault.properties.vaultUri}secrets/${secretName}'
