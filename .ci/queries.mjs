// Parses every query of the alerts and the workbooks with the parser behind the Azure portal, and resolves its names
// against the table of Application Insights that they use. Needs the npm package @kusto/language-service-next.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";

const require = createRequire(`${process.cwd()}/`);
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

// The columns of the table that the queries use.
const TRACES = `(timestamp: datetime, message: string, severityLevel: int, customDimensions: dynamic,
  operation_Id: string, cloud_RoleName: string, cloud_RoleInstance: string)`;

function globals() {
  const traces = Symbols.TableSymbol.From(TRACES).WithName("traces");
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("app", [traces]));
}

function queries(infra) {
  const files = readdirSync(`${infra}/queries`, { recursive: true }).filter((name) => name.endsWith(".kql"));
  const alerts = files.map((name) => [name, readFileSync(`${infra}/queries/${name}`, "utf8")]);
  return [...alerts, ...["workbook.json", "lake-workbook.json"].flatMap((name) => shown(infra, name))];
}

function shown(infra, workbook) {
  const items = JSON.parse(readFileSync(`${infra}/${workbook}`, "utf8")).items;
  // The portal puts a bin size in the place of the time parameter before the query is parsed.
  return items.filter((item) => item.type === 3).map((item) => [
    `${workbook}: ${item.name}`,
    item.content.query.replaceAll("{TimeRange:grain}", "1h"),
  ]);
}

const infra = process.argv[2];
const known = globals();
let wrong = 0;
const all = queries(infra);
for (const [name, text] of all) {
  const diagnostics = KustoCode.ParseAndAnalyze(text, known).GetDiagnostics();
  for (let index = 0; index < diagnostics.Count; index++) {
    const diagnostic = diagnostics.getItem(index);
    console.error(`${name}: ${diagnostic.Message} at "${text.substr(diagnostic.Start, 40)}"`);
    wrong++;
  }
}
console.log(`${all.length} queries, ${wrong} mistakes`);
process.exit(wrong === 0 ? 0 : 1);
