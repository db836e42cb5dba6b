use serde_json::{Value, json};

use super::*;
use crate::cosmos::store::ItemKey;

fn items() -> Vec<Value> {
    vec![
        json!({ "id": "a", "run": "x", "n": 1, "tags": ["red", "blue"], "o": { "p": true }, "due": "2024-01-02" }),
        json!({ "id": "b", "run": "x", "n": 3, "tags": [], "o": { "p": false } }),
        json!({ "id": "c", "run": "it's", "n": 2.5, "order": 7, "due": null }),
        json!({ "id": "d", "run": "y", "n": "3" }),
    ]
}

fn candidates() -> impl Iterator<Item = Candidate> {
    items().into_iter().zip(0..).map(|(value, ordinal)| {
        let id = value["id"].as_str().unwrap().into();
        Candidate { key: ItemKey { epk: 0, id }, ordinal, value }
    })
}

fn parameters() -> Parameters {
    [("@x", json!("x")), ("@two", json!(2)), ("@ids", json!(["a", "d"]))].map(|(name, it)| (name.to_owned(), it)).into()
}

fn run(text: &str) -> Vec<Value> {
    let query = parse(text, &parameters()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    query.page(candidates(), 100, &Position::default()).results
}

fn ids(filter: &str) -> String {
    let ids = run(&format!("SELECT VALUE c.id FROM c WHERE {filter}"));
    ids.iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn filters_select_items() {
    for (filter, expected) in [
        (r#"c.run = "x""#, "ab"),
        ("c.run = 'x'", "ab"),
        (r#"c["n"] = 3"#, "b"),
        (r#"c["o"].p"#, "a"),
        (r#"c.run = "it's""#, "c"),
        (r"c.run = 'it\'s'", "c"),
        ("c.n > 1 AND c.n <= 3", "bc"),
        ("c.n < @two OR c.run = @x", "ab"),
        ("NOT c.n < 2", "bc"),
        ("c.n != 1", "bc"),
        ("c.n <> 1 AND NOT (c.run = 'x')", "c"),
        ("c.n IN (1, 2.5, '3')", "acd"),
        ("c.n NOT IN (1, 3)", "c"),
        ("c.n BETWEEN 1 AND 2.5", "ac"),
        ("c.run LIKE 'i%s'", "c"),
        ("c.run NOT LIKE '_'", "c"),
        ("IS_DEFINED(c.due)", "ac"),
        ("IS_NULL(c.due)", "c"),
        ("c.due = null", "c"),
        ("c.order = 7", "c"),
        ("is_string(c.n)", "d"),
        ("STARTSWITH(c.run, 'IT', true)", "c"),
        ("CONTAINS(c.run, \"t's\")", "c"),
        ("ARRAY_CONTAINS(c.tags, 'red')", "a"),
        ("ARRAY_CONTAINS(@ids, c.id)", "ad"),
        ("c.tags[1] = 'blue'", "a"),
        ("ARRAY_LENGTH(c.tags) = 0", "b"),
        ("c.n * 2 = 5 OR c.n + 1 = 2", "ac"),
        ("c.run || '!' = 'y!'", "d"),
        ("(c.order ?? 0) = 7", "c"),
        ("(IS_NUMBER(c.n) ? c.n : 0) = 3", "b"),
        ("c.o = {\"p\": false}", "b"),
        ("c.missing = undefined", ""),
        ("true", "abcd"),
    ] {
        assert_eq!(ids(filter), expected, "{filter}");
    }
}

#[test]
fn projections_shape_results() {
    assert_eq!(run("SELECT * FROM c WHERE c.id = 'd'"), [items()[3].clone()]);
    assert_eq!(
        run("SELECT c.id, c.n AS number, c.o.p, c.none, c.n + 1, {\"r\": c.run} shape FROM c WHERE c.id = 'a'"),
        [json!({ "id": "a", "number": 1, "p": true, "$5": 2, "shape": { "r": "x" } })]
    );
    assert_eq!(run("SELECT VALUE c.order FROM c"), [json!(7)]);
    assert_eq!(run("SELECT VALUE [c.id, c.none] FROM c WHERE c.id = 'b'"), [json!(["b"])]);
    assert_eq!(run("SELECT DISTINCT VALUE c.run FROM c"), [json!("x"), json!("it's"), json!("y")]);
    assert_eq!(run("SELECT VALUE 1 + 1"), [json!(2)]);
}

#[test]
fn results_are_ordered_and_limited() {
    let text = |text: &str| run(text).iter().map(|id| id.as_str().unwrap()).collect::<String>();
    assert_eq!(text("SELECT VALUE c.id FROM c ORDER BY c.n"), "acbd");
    assert_eq!(text("SELECT VALUE c.id FROM c ORDER BY c.run DESC, c.id DESC"), "dbac");
    assert_eq!(text("SELECT VALUE c.id FROM c ORDER BY c.order"), "abdc");
    assert_eq!(text("SELECT TOP @two VALUE c.id FROM c"), "ab");
    assert_eq!(text("SELECT VALUE c.id FROM c ORDER BY c.id DESC OFFSET 1 LIMIT 2"), "cb");
}

#[test]
fn aggregates_go_over_groups() {
    assert_eq!(run("SELECT VALUE COUNT(1) FROM c WHERE c.run = 'x'"), [json!(2)]);
    assert_eq!(run("SELECT COUNT(c.due) AS due, MAX(c.id) AS last FROM c"), [json!({ "due": 2, "last": "d" })]);
    assert_eq!(run("SELECT VALUE SUM(c.n) FROM c WHERE IS_NUMBER(c.n)"), [json!(6.5)]);
    assert_eq!(run("SELECT VALUE AVG(c.n) FROM c WHERE c.run = 'x'"), [json!(2)]);
    assert_eq!(run("SELECT VALUE COUNT(1) FROM c WHERE false"), [json!(0)]);
    let mut groups = run("SELECT c.run, COUNT(1) AS n FROM c GROUP BY c.run");
    groups.sort_by_key(ToString::to_string);
    let expected = [("it's", 1), ("x", 2), ("y", 1)].map(|(run, n)| json!({ "run": run, "n": n }));
    groups.sort_by_key(|group| group["run"].to_string());
    assert_eq!(groups, expected);
}

#[test]
fn elements_of_arrays_are_joined() {
    assert_eq!(run("SELECT VALUE t FROM c JOIN t IN c.tags WHERE c.id = 'a'"), [json!("red"), json!("blue")]);
    assert_eq!(run("SELECT * FROM t IN c.tags"), [json!("red"), json!("blue")]);
}

#[test]
fn pages_join_to_the_whole_result() {
    for text in [
        "SELECT VALUE c.id FROM c",
        "SELECT VALUE c.id FROM c ORDER BY c.run DESC",
        "SELECT TOP 3 VALUE c.id FROM c ORDER BY c.order",
        "SELECT VALUE c.id FROM c OFFSET 1 LIMIT 3",
        "SELECT DISTINCT VALUE c.run FROM c",
        "SELECT c.run, COUNT(1) AS n FROM c GROUP BY c.run",
    ] {
        let query = parse(text, &parameters()).unwrap();
        let (mut joined, mut position) = (Vec::new(), Position::default());
        loop {
            let after = position.key().cloned();
            let rest = candidates().filter(|it| after.as_ref().is_none_or(|after| it.key > *after));
            let page = query.page(rest, 1, &position);
            joined.extend(page.results);
            let Some(next) = page.next else { break };
            position = Position::from_token(&next.to_token()).unwrap();
        }
        assert_eq!(joined, run(text), "{text}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_with_a_place() {
    for (text, code, near) in [
        ("SELECT * FROM c WHERE c.x ~ 1", "SC1001", "~ 1"),
        ("SELECT * FROM c WHERE", "SC1001", "end of query"),
        ("SELEC * FROM c", "SC1001", "SELEC"),
        ("SELECT * FROM c WHERE d.x = 1", "SC2001", "'d'"),
        ("SELECT * FROM c WHERE FOO(c.x)", "SC2005", "'FOO'"),
        ("SELECT * FROM c WHERE LOWER(c.x, 1)", "SC2050", "LOWER"),
        ("SELECT * FROM c WHERE c.x = @none", "SC2071", "@none"),
        ("SELECT * FROM c WHERE EXISTS(SELECT VALUE 1)", "SC1001", "EXISTS"),
        ("SELECT * FROM c JOIN t IN c.tags", "SC2040", "SELECT *"),
        ("SELECT * FROM c WHERE c.x = 'a' 'b'", "SC1001", "'b'"),
        ("UPDATE c SET c.x = 1", "SC1001", "UPDATE"),
    ] {
        let message = parse(text, &parameters()).map(|_| ()).unwrap_err().to_message();
        assert!(message.contains(code) && message.contains(near), "{text}: {message}");
    }
}

#[test]
fn conditions_are_what_an_index_can_answer() {
    let query = parse(
        "SELECT TOP 5 * FROM c WHERE c.due <= @x AND c.run IN ('x', 'y') AND (c.n = 1 OR c.n = 2) AND 3 < c.o.n",
        &parameters(),
    );
    let paths: Vec<String> = query.unwrap().conditions().iter().map(|condition| condition.path.join(".")).collect();
    assert_eq!(paths, ["due", "run", "o.n"]);
}

#[test]
fn plans_tell_clients_how_to_merge() {
    let plan = |text: &str| parse(text, &parameters()).unwrap().plan(Vec::new()).unwrap()["queryInfo"].clone();
    let ordered = plan("SELECT c.id, c.n AS m FROM c WHERE c.n > 1 OR c.n < 0 ORDER BY c.n DESC OFFSET 1 LIMIT 2");
    assert_eq!(ordered["orderBy"], json!(["Descending"]));
    assert_eq!(ordered["orderByExpressions"], json!(["c.n"]));
    assert_eq!((&ordered["offset"], &ordered["limit"]), (&json!(1), &json!(2)));
    assert_eq!(
        ordered["rewrittenQuery"],
        "SELECT TOP 3 c._rid, [{\"item\": c.n}] AS orderByItems, {\"id\": c.id, \"m\": c.n} AS payload FROM c \
         WHERE (c.n > 1 OR c.n < 0) AND ({documentdb-formattableorderbyquery-filter}) ORDER BY c.n DESC"
    );
    let counted = plan("SELECT VALUE COUNT(1) FROM c WHERE c.n = 1");
    assert_eq!(counted["aggregates"], json!(["Count"]));
    assert_eq!(counted["rewrittenQuery"], "SELECT VALUE [{\"item\": COUNT(1)}] FROM c WHERE (c.n = 1)");
    let grouped = plan("SELECT c.run, AVG(c.n) AS mean FROM c GROUP BY c.run");
    assert_eq!(grouped["groupByAliasToAggregateType"], json!({ "run": null, "mean": "Average" }));
    for info in [ordered, counted, grouped] {
        let text =
            info["rewrittenQuery"].as_str().unwrap().replace("{documentdb-formattableorderbyquery-filter}", "true");
        parse(&text, &parameters()).unwrap();
    }
    let composed = parse("SELECT VALUE COUNT(1) + 1 FROM c", &parameters()).unwrap();
    assert!(composed.plan(Vec::new()).unwrap_err().to_message().contains("Compositions of aggregates"));
}
