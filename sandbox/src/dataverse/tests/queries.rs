//! Queries: filters, columns, order and pages.

use super::*;

const COMPANY: u128 = 0xC0;

async fn people() -> Environment {
    let environment = Environment::new().await;
    let dataverse = &environment.dataverse;
    let company = dataverse.add_company("usrt", "Contoso Retail");
    let person =
        |n, last: &str, email: &str| Contact { id: id_of(n), last_name: Some(last.to_owned()), ..named("P", email) };
    dataverse.add_contact(&Contact { company: Some(company), ..person(1, "O'Bryan", "bryan+news@b.example") });
    dataverse.add_contact(&Contact { sellable: Some(true), ..person(2, "Łukasiewicz", "łuk@b.example") });
    dataverse
        .add_contact(&Contact { contact_number: Some("004021".to_owned()), ..person(3, "山田", "Yamada@B.example") });
    dataverse.add_contact(&Contact { id: id_of(COMPANY), ..Default::default() });
    environment
}

fn ids(answer: &Answer) -> Vec<u128> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = answer.body["value"].as_array().unwrap();
    rows.iter().map(|row| row["contactid"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128()).collect()
}

#[tokio::test]
async fn filters_select_rows() {
    let environment = people().await;
    let company = environment.dataverse.contacts()[0].company.unwrap();
    let (one, nil) = (id_of(1), Uuid::nil());
    let table: Vec<(String, &[u128])> = vec![
        ("emailaddress1 eq 'bryan%2Bnews%40b.example'".to_owned(), &[1]),
        ("emailaddress1 eq 'bryan+news@b.example'".to_owned(), &[]),
        ("emailaddress1+eq+'BRYAN%2Bnews@b.example'".to_owned(), &[1]),
        ("lastname eq 'O''Bryan'".to_owned(), &[1]),
        ("lastname%20eq%20%27o%27%27bryan%27".to_owned(), &[1]),
        ("lastname eq '%C5%82ukasiewicz'".to_owned(), &[2]),
        ("lastname eq '山田' or emailaddress1 eq 'ŁUK@b.example'".to_owned(), &[2, 3]),
        ("emailaddress1 eq 'yamada@b.example'".to_owned(), &[3]),
        ("emailaddress1 eq null".to_owned(), &[COMPANY]),
        ("emailaddress1 ne null and msdyn_contactnumber eq null".to_owned(), &[1, 2]),
        ("lastname ne 'O''Bryan'".to_owned(), &[2, 3, COMPANY]),
        ("msdyn_contactnumber eq '004021'".to_owned(), &[3]),
        ("msdyn_sellable eq true".to_owned(), &[2]),
        ("msdyn_sellable ne true".to_owned(), &[1, 3, COMPANY]),
        ("statecode eq 0 and (lastname eq '山田' or msdyn_sellable eq true)".to_owned(), &[2, 3]),
        ("statecode eq 1 or lastname eq '山田' and statecode eq 0".to_owned(), &[3]),
        ("not (statecode eq 0)".to_owned(), &[]),
        (format!("contactid eq {one}"), &[1]),
        (format!("_msdyn_company_value eq {company}"), &[1]),
        (format!("_msdyn_company_value eq '{company}'"), &[1]),
        (format!("_msdyn_company_value eq {nil}"), &[]),
        ("createdon ge 2020-01-01T00:00:00Z and createdon lt 2099-01-01T00:00:00Z".to_owned(), &[1, 2, 3, COMPANY]),
    ];
    for (filter, expected) in table {
        assert_eq!(ids(&environment.filter(&filter).await), expected, "{filter}");
    }
}

#[tokio::test]
async fn invalid_filters_are_rejected() {
    let environment = people().await;
    let table = [
        ("email eq 'x'", "0x0", "'email'"),
        ("Lastname eq 'x'", "0x0", "'Lastname'"),
        ("msdyn_company eq null", "0x0", "'msdyn_company'"),
        ("lastname eq 'O'Bryan'", "0x80060888", "unterminated literal"),
        ("lastname eq 'x", "0x80060888", "unterminated literal"),
        ("lastname eq x", "0x80060888", "incompatible types"),
        ("lastname eq 5", "0x80060888", "incompatible types"),
        ("statecode eq '0'", "0x80060888", "incompatible types"),
        ("_msdyn_company_value eq 'usrt'", "0x80060888", "incompatible types"),
        ("lastname = 'x'", "0x80060888", "Syntax error"),
        ("lastname eq", "0x80060888", "Syntax error"),
        ("(lastname eq 'x'", "0x80060888", "Syntax error"),
        ("lastname eq 'x')", "0x80060888", "Syntax error"),
        ("lastname eq 'x' and", "0x80060888", "Syntax error"),
        ("", "0x80060888", "Syntax error"),
    ];
    for (filter, code, message) in table {
        let answer = environment.filter(filter).await;
        assert_eq!(answer.error(), (400, code), "{filter}");
        assert!(answer.message().contains(message), "{}", answer.message());
    }
    assert_eq!(environment.filter(&format!("{}statecode eq 0", "(".repeat(5000))).await.status, 400);
    assert_eq!(environment.filter("contains(lastname,'x')").await.status, 501);
}

#[tokio::test]
async fn a_row_has_the_selected_columns_and_its_key() {
    let environment = people().await;
    let answer = environment.get("contacts?$select=lastname,_msdyn_company_value&$filter=lastname eq '山田'").await;
    let row = answer.body["value"][0].as_object().unwrap();
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    assert_eq!(names, ["@odata.etag", "_msdyn_company_value", "contactid", "lastname"]);
    assert!(row["@odata.etag"].as_str().unwrap().starts_with("W/\""));
    assert_eq!(row["_msdyn_company_value"], Value::Null);
    let context = environment.url("$metadata#contacts(lastname,_msdyn_company_value)");
    assert_eq!(answer.body["@odata.context"], context);
    let all = environment.get("contacts?$top=1").await;
    assert_eq!(all.body["value"][0]["createdon"], "2025-10-09T08:53:20Z");
    assert_eq!(all.body["value"][0].as_object().unwrap().len(), 19);
}

#[tokio::test]
async fn query_options_are_parsed_strictly() {
    let environment = people().await;
    for query in ["$select=nope", "$orderby=nope", "$top=0", "$top=x", "$skip=1", "top=1", "$top=1&$top=2"] {
        assert_eq!(environment.get(&format!("contacts?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(environment.get("contacts?$expand=msdyn_company").await.status, 501);
    assert_eq!(environment.get(&format!("contacts({})?$filter=lastname eq 'x'", id_of(1))).await.status, 400);
    assert_eq!(environment.get("contacts?$filter=lastname eq '%FF'").await.status, 400);
}

#[tokio::test]
async fn rows_have_the_requested_order() {
    let environment = people().await;
    assert_eq!(ids(&environment.get("contacts?$orderby=lastname desc&$top=2").await), [3, 2]);
    assert_eq!(ids(&environment.get("contacts?$orderby=createdon,lastname asc&$top=2").await), [COMPANY, 1]);
}

#[tokio::test]
async fn pages_are_linked_and_override_top() {
    let environment = people().await;
    let size = |request: RequestBuilder| request.header("Prefer", "odata.maxpagesize=3");
    let path = "contacts?$select=contactid&$top=1&$count=true&$filter=statecode%20eq%200";
    let first = send(size(environment.request(Method::GET, path))).await;
    assert_eq!((ids(&first), &first.body["@odata.count"]), (vec![1, 2, 3], &json!(4)));
    let next = first.body["@odata.nextLink"].as_str().unwrap();
    let follow = |link: &str| send(size(environment.http.get(link).header("Authorization", "Bearer x")));
    let second = follow(next).await;
    assert_eq!((ids(&second), second.body.get("@odata.nextLink")), (vec![COMPANY], None));
    assert_eq!(follow(&next.replace("%3C", "%253C").replace("%22", "%2522")).await.status, 400);
    let bad = environment.request(Method::GET, "contacts").header("Prefer", "odata.maxpagesize=x");
    assert_eq!(send(bad).await.status, 400);
}

#[tokio::test]
async fn a_page_is_never_larger_than_the_maximum() {
    let environment = Environment::with(DataverseOptions { max_page_size: 2, ..Default::default() }).await;
    for n in 1..=3 {
        environment.dataverse.add_contact(&Contact { id: id_of(n), ..Default::default() });
    }
    let answer = environment.get("contacts").await;
    assert_eq!(ids(&answer), [1, 2]);
    assert!(answer.body["@odata.nextLink"].is_string());
    assert_eq!(environment.get("contacts?$top=2").await.body.get("@odata.nextLink"), None);
}

#[tokio::test]
async fn dual_write_tables_answer_the_lookups_of_the_reference_solution() {
    let environment = Environment::new().await;
    let company = environment.dataverse.add_company("usrt", "Contoso Retail");
    let group = environment.dataverse.add_customer_group("30", Some(company));
    environment.dataverse.add_customer_group("30", None);
    let companies = environment.get("cdm_companies?$filter=cdm_companycode eq 'USRT'").await;
    assert_eq!(companies.body["value"][0]["cdm_companyid"], company.to_string());
    let filter = format!("msdyn_groupid eq '30' and _msdyn_company_value eq '{company}'");
    let groups = environment.get(&format!("msdyn_customergroups?$select=msdyn_customergroupid&$filter={filter}")).await;
    assert_eq!(groups.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(groups.body["value"][0]["msdyn_customergroupid"], group.to_string());
    assert_eq!(environment.get(&format!("cdm_companies({company})")).await.body["cdm_name"], "Contoso Retail");
    assert_eq!(environment.post("cdm_companies", &json!({})).await.error(), (403, "0x80040220"));
}

#[tokio::test]
async fn without_dual_write_its_tables_are_unknown() {
    let environment = Environment::with(DataverseOptions { dual_write: false, ..Default::default() }).await;
    for set in ["cdm_companies", "msdyn_customergroups"] {
        let answer = environment.get(set).await;
        assert_eq!(answer.error(), (404, "0x8006088a"));
        assert_eq!(answer.message(), format!("Resource not found for the segment '{set}'."));
    }
    assert_eq!(environment.get("contacts?$select=_msdyn_company_value").await.error(), (400, "0x0"));
    let body = json!({ "msdyn_company@odata.bind": format!("/cdm_companies({})", id_of(1)) });
    assert_eq!(environment.post("contacts", &body).await.error(), (400, "0x80048d19"));
}

#[tokio::test]
async fn a_query_has_at_most_500_conditions() {
    let environment = Environment::new().await;
    let filter = |conditions: usize| vec!["statecode%20eq%200"; conditions].join("%20or%20");
    assert_eq!(environment.filter(&filter(500)).await.status, 200);
    assert_eq!(environment.filter(&filter(501)).await.error(), (400, "0x8004430c"));
}
