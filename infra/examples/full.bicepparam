using '../main.bicep'

// Everything that can be switched on, under the longest names. Its snapshot shows what a change of the templates does.

param workload = 'reference'
param environmentName = 'production-europe-01'
param tags = {
  costCenter: '4711'
}
param commerce = {
  endpoint: 'https://contoso.scale.commerce.dynamics.com/'
  operatingUnitNumber: '052'
  audience: 'api://00000000-0000-0000-0000-000000000003'
  scheme: 'id_token'
}
param dataverseUrl = 'https://contoso.crm.dynamics.com'
param triggers = {
  OrderConfirmationTrigger: 'msdynmkt_orderconfirmation_123456789'
  FeedbackRequestTrigger: 'msdynmkt_feedbackrequest_123456789'
  LoyaltyInvitationTrigger: 'msdynmkt_loyaltyinvitation_123456789'
  AbandonedCartTrigger: 'msdynmkt_abandonedcart_123456789'
}
param journeysOverlay = 'journeys.production.json'
param alertEmail = 'operators@contoso.com'
param scale = {
  maximumInstanceCount: 40
  messagesPerInstance: 1
  instanceMemoryMB: 512
  alwaysReady: 1
  readQueueLength: true
}
param tuning = {
  eventTypes: 'Checkout'
}
param operatorsGroupId = '00000000-0000-0000-0000-000000000004'
param github = {
  subject: 'repo:contoso@1234567/commerce-journeys@7654321:environment:production'
}
param lake = {
  location: 'abfss://dataverse-contoso-unq123@contosolake.dfs.core.windows.net/deltalake'
  account: {
    name: 'contosolake'
    container: 'dataverse-contoso-unq123'
    resourceGroup: 'contoso-lake'
  }
  customerInsightsPrincipalId: '00000000-0000-0000-0000-000000000005'
}
