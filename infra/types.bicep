// The types of the parameters, one for each dependency or concern.

metadata description = 'Types of the parameters of Commerce Journeys.'

@export()
@description('Tags of a resource, by name.')
type Tags = {
  *: string
}

@export()
@description('The Commerce Scale Unit, and the app\'s identity there.')
type Commerce = {
  @description('Retail Server URL of the Commerce Scale Unit, such as https://contoso.scale.commerce.dynamics.com/.')
  @minLength(9)
  endpoint: string

  @description('Operating unit number (OUN) under which the event store is searched.')
  @minLength(1)
  operatingUnitNumber: string

  @description('Audience of the Scale Unit\'s tokens: the server resource id in headquarters, which is the Application ID URI (api://...) of the Retail Server\'s app registration. In older environments it is the Retail Server URL.')
  @minLength(6)
  audience: string

  @description('Authorization scheme of the Scale Unit. Default: id_token, the documented one. The check command reports if the Scale Unit accepts only the other one.')
  scheme: ('Bearer' | 'id_token')?

  @description('The Entra application that calls the Scale Unit. Default: the function app\'s own identity. Whether a Scale Unit accepts that is unconfirmed; the check command reports it.')
  application: CommerceApplication?

  @description('Account numbers of the default customers of stores, separated by commas. A sale with such a number counts as a guest\'s.')
  defaultCustomers: string?
}

@description('An Entra application with a secret, which is the parameter commerceClientSecret: the documented way to call a Scale Unit.')
type CommerceApplication = {
  @description('Its tenant.')
  @minLength(36)
  @maxLength(36)
  tenantId: string

  @description('Application (client) id.')
  @minLength(36)
  @maxLength(36)
  clientId: string
}

@export()
@description('Names of the custom triggers, as app settings that journeys.json refers to as %Name%.')
type Triggers = {
  @description('Invoked for every checkout. From the trigger\'s code snippet, such as msdynmkt_orderconfirmation_123456789.')
  @minLength(1)
  OrderConfirmationTrigger: string

  @description('Needed once the journey feedback-request is enabled.')
  FeedbackRequestTrigger: string?

  @description('Needed once the journey loyalty-invitation is enabled.')
  LoyaltyInvitationTrigger: string?

  @description('Needed once the journey abandoned-cart is enabled.')
  AbandonedCartTrigger: string?

  @description('Triggers of journeys of your own.')
  *: string
}

@export()
@description('Limits of scaling. They respect the limits of Dataverse: see function-app.bicep.')
type Scale = {
  @description('Maximum number of instances of process-message. Regions that accept no value under 40 need 40 here and 1 in messagesPerInstance.')
  @minValue(1)
  @maxValue(1000)
  maximumInstanceCount: int

  @description('Messages that one instance processes in parallel.')
  @minValue(1)
  @maxValue(16)
  messagesPerInstance: int

  @description('Memory of an instance, in MB. 512 includes a quarter of a core.')
  instanceMemoryMB: 512 | 2048 | 4096

  @description('Instances of process-message that are kept warm. Each is billed all the time.')
  @minValue(0)
  @maxValue(20)
  alwaysReady: int

  @description('Give the app Azure Service Bus Data Owner on the subscription, so that the platform can read how many messages wait. Default: false. Set it if messages wait and no instance of process-message starts.')
  readQueueLength: bool?
}

@export()
@description('Settings that most deployments do not change. Durations are written [d.]hh:mm:ss; docs/settings.md explains each.')
type Tuning = {
  eventTypes: string?
  pollSchedule: string?
  pollAgainAfter: string?
  initialLookback: string?
  pollOverlap: string?
  pollClockAllowance: string?
  pollPageSize: int?
  pollTimeBudget: string?
  commerceConcurrency: int?
  lostMessageAfter: string?
  leaseDuration: string?
  retryFirstDelay: string?
  retryLongestDelay: string?
  retryHorizon: string?
  recordTimeToLive: string?
  requestTimeout: string?
}

@export()
@description('Further app settings, by name. No secrets: use Key Vault references.')
type AdditionalSettings = {
  *: string
}

@export()
@description('When to raise an alert.')
type AlertThresholds = {
  @description('Seconds from a checkout to its journey\'s start that 95 of 100 events must stay below, over 15 minutes.')
  @minValue(1)
  latencySeconds: int

  @description('Answers 429 (or 503 with Retry-After) within 15 minutes that are still normal.')
  @minValue(0)
  throttledCalls: int
}

@export()
@description('The repository whose workflow may deploy, by federated credentials.')
type GitHub = {
  @description('Subject of the tokens of the workflow\'s deploy job, exactly as GitHub writes it: it contains the immutable ids of owner and repository in newer repositories. docs/deployment.md, "GitHub Actions", shows where to copy it from.')
  @minLength(10)
  subject: string
}

@export()
@description('The lake side: tables exported from Commerce, prepared for Customer Insights - Data.')
type Lake = {
  @description('Where the export is: abfss://<container>@<account>.dfs.core.windows.net/<folder>, as Synapse Link writes it, or a OneLake address.')
  @minLength(10)
  location: string

  @description('Its storage account, so that the app gets the role to read it. Leave it out for OneLake, whose workspace manages access, or if its owner assigns the role.')
  account: LakeAccount?

  @description('Object id of the service principal of Customer Insights - Data in your tenant (Dynamics 365 AI for Customer Insights): it may then read the prepared tables. Without it, only the app may.')
  @minLength(36)
  @maxLength(36)
  customerInsightsPrincipalId: string?

  @description('Object id of the Entra group whose members may read the prepared tables: whoever adds the data source in Customer Insights - Data must be in it. Default: operatorsGroupId.')
  readersGroupId: string?

  @description('When to prepare: six fields, UTC. Four times a day by default, at 3, 9, 15 and 21 o\'clock; shortly before Customer Insights - Data refreshes is best.')
  schedule: string?

  @description('Language of names, such as those of products. Default: en-us.')
  language: string?

  @description('Codes of the companies (legal entities) to publish. Default: all.')
  companies: string[]?

  @description('Folder in the package with own columns and tables over the shipped SQL: sql-overlay. Default: none.')
  sqlOverlay: string?

  @description('Whether the standardised tables between export and prepared ones are kept (three) or computed each time (two). Default: three.')
  layers: ('three' | 'two')?

  @description('Memory of the instance, in MB. 2048 comes with one core, 4096 with two. Default: 4096.')
  instanceMemoryMB: (2048 | 4096)?

  @description('Further settings of prepare-data, by name, such as LakeTablePattern.')
  settings: AdditionalSettings?

  @description('When to raise an alert.')
  alertThresholds: LakeAlertThresholds?
}

@description('The storage account of the export, which may be in another resource group or subscription of the tenant.')
type LakeAccount = {
  @minLength(3)
  @maxLength(24)
  name: string

  @description('The container of the export, such as dataverse-contoso-unq123.')
  @minLength(3)
  container: string

  @description('Default: the resource group of this deployment.')
  resourceGroup: string?

  @description('Default: the subscription of this deployment.')
  subscriptionId: string?
}

@export()
@description('When to raise an alert about the lake side.')
type LakeAlertThresholds = {
  @description('Hours that may pass without a preparation that finished. At most 24.')
  @minValue(1)
  @maxValue(24)
  hoursWithoutPreparation: int

  @description('Hours that the newest row of the export may be old.')
  @minValue(1)
  hoursBehind: int

  @description('Percentage of rows that may be rejected.')
  @minValue(0)
  @maxValue(100)
  rejectedPercent: int
}

@export()
@description('A log alert: a query with a threshold.')
type LogAlert = {
  @description('Part of the resource\'s name.')
  name: string
  title: string
  description: string

  @minValue(0)
  @maxValue(4)
  severity: int

  @description('How often the query runs, and over which time: ISO 8601.')
  frequency: string
  window: string

  query: string
  aggregation: 'Maximum' | 'Total'

  @description('The column of the query that is compared.')
  measure: string
  operator: 'GreaterThan' | 'GreaterThanOrEqual' | 'LessThan'
  threshold: int

  @description('The column that splits the alert by its values; empty for none.')
  dimension: string
}
