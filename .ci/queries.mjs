// Parses every query of the alerts, the workbooks and the pages with the parser behind the Azure portal, and resolves its
// names against the tables of Application Insights. Needs the npm package @kusto/language-service-next.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";

const require = createRequire(`${process.cwd()}/`);
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

// The columns that all tables of Application Insights have.
const COMMON = `timestamp: datetime, itemType: string, customDimensions: dynamic, customMeasurements: dynamic,
  operation_Name: string, operation_Id: string, operation_ParentId: string, operation_SyntheticSource: string,
  session_Id: string, user_Id: string, user_AuthenticatedId: string, user_AccountId: string,
  application_Version: string, client_Type: string, client_Model: string, client_OS: string, client_IP: string,
  client_City: string, client_StateOrProvince: string, client_CountryOrRegion: string, client_Browser: string,
  cloud_RoleName: string, cloud_RoleInstance: string, appId: string, appName: string, iKey: string,
  sdkVersion: string, itemId: string, itemCount: int, _ResourceId: string`;

const TABLES = {
  traces: "message: string, severityLevel: int",
  requests: `id: string, source: string, name: string, url: string, success: string, resultCode: string,
    duration: real, performanceBucket: string`,
  dependencies: `id: string, target: string, type: string, name: string, data: string, success: string,
    resultCode: string, duration: real, performanceBucket: string`,
  exceptions: `problemId: string, handledAt: string, type: string, message: string, assembly: string, method: string,
    outerType: string, outerMessage: string, outerAssembly: string, outerMethod: string, innermostType: string,
    innermostMessage: string, innermostAssembly: string, innermostMethod: string, severityLevel: int,
    details: dynamic`,
};

// Queries that must be refused. If one is not, the check itself is broken.
const WRONG = ["traces | where mesage == ''", "requests | summarize averag(duration)", "requests | where duration = 1"];

function globals() {
  const tables = Object.entries(TABLES).map(([name, columns]) =>
    Symbols.TableSymbol.From(`(${COMMON}, ${columns})`).WithName(name));
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("app", tables));
}

function files(root, folder, extension) {
  const names = readdirSync(`${root}/${folder}`, { recursive: true }).filter((name) => name.endsWith(extension));
  return names.map((name) => [`${folder}/${name}`, readFileSync(`${root}/${folder}/${name}`, "utf8")]);
}

function ofWorkbook(root, name) {
  const items = JSON.parse(readFileSync(`${root}/infra/${name}`, "utf8")).items;
  // The portal puts a bin size in the place of the time parameter before the query is parsed.
  return items.filter((item) => item.type === 3).map((item) => [
    `${name}: ${item.name}`,
    item.content.query.replaceAll("{TimeRange:grain}", "1h"),
  ]);
}

function ofPage([name, text]) {
  const blocks = text.split(/^ *```kusto\n/m).slice(1).map((rest) => rest.split(/^ *```/m)[0]);
  return blocks.map((query, index) => [`${name}, query ${index + 1}`, query]);
}

function diagnostics(query, known) {
  const found = KustoCode.ParseAndAnalyze(query, known).GetDiagnostics();
  return Array.from({ length: found.Count }, (_, index) => found.getItem(index));
}

const root = process.argv[2];
const known = globals();
const pages = files(root, "docs", ".md").flatMap(ofPage);
const workbooks = ["workbook.json", "lake-workbook.json"].flatMap((name) => ofWorkbook(root, name));
const queries = [...files(root, "infra/queries", ".kql"), ...workbooks, ...pages];
const accepted = WRONG.filter((query) => diagnostics(query, known).length === 0);
let mistakes = accepted.length;
for (const query of accepted) console.error(`accepted, but wrong: ${query}`);
for (const [name, query] of queries) {
  for (const diagnostic of diagnostics(query, known)) {
    console.error(`${name}: ${diagnostic.Message} at "${query.substr(diagnostic.Start, 40)}"`);
    mistakes++;
  }
}
console.log(`${queries.length} queries, ${pages.length} of them from pages, ${mistakes} mistakes`);
process.exit(mistakes === 0 && pages.length > 0 ? 0 : 1);
