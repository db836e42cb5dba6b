//! The Retail Server's operations.

use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ErrorReply;
use super::url::{Literal, Path, Segment};
use super::{Csu, Request, json, text};
use crate::shop::{self, CartOpening, Checkout, Fields, Item, Json, SERVICE_ROOT, SqlDateTime};

/// An operation and the path segment with its key.
pub(super) enum Route<'a> {
    SearchEvents,
    AllEvents,
    Order(&'a Segment),
    Customer(&'a str),
    Cart(&'a str),
    NewCart,
    AddCartLines(&'a str),
    Checkout(&'a str),
    OperatingUnitNumber(&'a Segment),
    GetLastSync,
    SetLastSync,
}

/// The operation of a request.
pub(super) fn find<'a>(method: &Method, path: &'a Path) -> Option<Route<'a>> {
    let get = method == Method::GET;
    if !get && method != Method::POST {
        return None;
    }
    match path.0.as_slice() {
        [one] => match one.name.as_str() {
            "Customers" if get => one.key().map(Route::Customer),
            "Carts" if get => one.key().map(Route::Cart),
            "Carts" if one.arguments.is_none() => Some(Route::NewCart),
            "GetOperatingUnitNumber" if get => Some(Route::OperatingUnitNumber(one)),
            "GetLastSyncDatetimeUTC" if !get => Some(Route::GetLastSync),
            "SetLastSyncDatetime" if !get => Some(Route::SetLastSync),
            _ => None,
        },
        [first, second] => match (first.name.as_str(), second.name.as_str()) {
            ("CommerceEventsController", "Search") if !get => Some(Route::SearchEvents),
            ("CommerceEventsController", "GetAllCommerceEvents") if get => Some(Route::AllEvents),
            // UNCONFIRMED: the method. The published sample uses GET.
            ("SalesOrders", "GetSalesOrderDetailsByTransactionId") if get => Some(Route::Order(second)),
            ("Carts", "AddCartLines") if !get => first.key().map(Route::AddCartLines),
            ("Carts", "Checkout") if !get => first.key().map(Route::Checkout),
            _ => None,
        },
        _ => None,
    }
}

impl Csu {
    pub(super) fn run(&self, route: Route<'_>, request: &Request<'_>) -> Result<Response, ErrorReply> {
        match route {
            Route::SearchEvents => self.search(request, request.json()?).map(ok),
            Route::AllEvents => self.all_events(request).map(ok),
            Route::Order(call) => self.order(request, call).map(ok),
            Route::Customer(account) => self.customer(request, account),
            Route::Cart(id) => self.cart(request, id),
            Route::NewCart => self.new_cart(request, request.json()?),
            Route::AddCartLines(id) => self.add_cart_lines(request, id, request.json()?),
            Route::Checkout(id) => self.checkout(request, id, request.json()?),
            Route::OperatingUnitNumber(call) => operating_unit_number(request, call).map(ok),
            Route::GetLastSync => self.last_sync(request.json()?).map(ok),
            Route::SetLastSync => self.set_last_sync(request.json()?),
        }
    }

    fn order(&self, request: &Request<'_>, call: &Segment) -> Result<Bytes, ErrorReply> {
        let Literal::Text(id) = call.argument("transactionId", request.query)? else {
            return Err(ErrorReply::invalid("transactionId is not a text."));
        };
        // 1 is the channel's own database, 3 is everywhere. There is no headquarters here.
        match call.argument("searchLocationValue", request.query)? {
            Literal::Number(1 | 3) => {}
            _ => return Err(ErrorReply::invalid("searchLocationValue has an unknown value.")),
        }
        self.0.shop.order_body(request.channel.id, &id).ok_or(ErrorReply::NotFound)
    }

    fn customer(&self, request: &Request<'_>, account: &str) -> Result<Response, ErrorReply> {
        let absent =
            if self.0.options.specific_error_names { ErrorReply::CustomerNotFound } else { ErrorReply::NotFound };
        self.0.shop.customer_body(request.channel.data_area, account).map(ok).ok_or(absent)
    }

    fn cart(&self, request: &Request<'_>, id: &str) -> Result<Response, ErrorReply> {
        if self.0.options.specific_error_names && self.0.shop.is_checked_out(id) {
            return Err(ErrorReply::AlreadyCheckedOut);
        }
        found(self.0.shop.cart_body(request.channel.id, id))
    }

    fn new_cart(&self, request: &Request<'_>, cart: NewCart) -> Result<Response, ErrorReply> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let opening = CartOpening {
            channel: request.channel.id,
            id: given(cart.id),
            customer: given(cart.customer_id),
            loyalty_card: cart.loyalty_card_id,
            receipt_email: cart.receipt_email,
        };
        let id = self.0.shop.open_cart(opening)?;
        let body = self.0.shop.cart_body(request.channel.id, &id).ok_or(ErrorReply::NotFound)?;
        Ok(json(StatusCode::CREATED, body))
    }

    fn add_cart_lines(&self, request: &Request<'_>, id: &str, body: AddCartLines) -> Result<Response, ErrorReply> {
        self.own_cart(request, id)?;
        let items = body.cart_lines.into_iter().map(NewLine::item).collect::<Result<Vec<_>, _>>()?;
        self.0.shop.add_to_cart(id, &items)?;
        found(self.0.shop.cart_body(request.channel.id, id))
    }

    fn checkout(&self, request: &Request<'_>, id: &str, body: CheckoutBody) -> Result<Response, ErrorReply> {
        self.own_cart(request, id)?;
        let checkout = Checkout { receipt_email: body.receipt_email, name: String::new() };
        self.0.shop.checkout(id, checkout)?;
        found(self.0.shop.receipt(id))
    }

    fn own_cart(&self, request: &Request<'_>, id: &str) -> Result<(), ErrorReply> {
        if self.0.shop.has_cart(request.channel.id, id) { Ok(()) } else { Err(ErrorReply::NotFound) }
    }

    /// UNCONFIRMED: the answer for an application that was never synchronized. Here it is the "no date" value of SQL
    /// columns.
    fn last_sync(&self, body: Synchronization) -> Result<String, ErrorReply> {
        let app = body.checked()?;
        let last = self.state().last_sync.get(&app).copied().unwrap_or_default();
        Ok(primitive("Edm.DateTimeOffset", last.to_string()))
    }

    fn set_last_sync(&self, body: Synchronization) -> Result<Response, ErrorReply> {
        let (app, now) = (body.checked()?, SqlDateTime::nearest(self.0.shop.clock().now()));
        self.state().last_sync.insert(app, now);
        Ok(json(StatusCode::NO_CONTENT, ""))
    }
}

impl Request<'_> {
    /// The body of an action.
    fn json<T: DeserializeOwned>(&self) -> Result<T, ErrorReply> {
        let media_type = text(self.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(ErrorReply::MediaType);
        }
        serde_json::from_slice(self.body)
            .map_err(|error| ErrorReply::invalid(format!("The body is not valid: {error}.")))
    }
}

/// The extension's own look-up of a channel's operating unit number.
fn operating_unit_number(request: &Request<'_>, call: &Segment) -> Result<String, ErrorReply> {
    let Literal::Number(id) = call.argument("channelid", request.query)? else {
        return Err(ErrorReply::invalid("channelid is not a number."));
    };
    let channel = shop::channel(id).ok_or_else(|| ErrorReply::invalid("No channel has this id."))?;
    Ok(primitive("Edm.String", channel.oun.to_owned()))
}

fn primitive(edm_type: &str, value: String) -> String {
    let mut fields = Fields::default();
    fields.set("@odata.context", format!("{SERVICE_ROOT}/$metadata#{edm_type}")).set("value", Json::from(value));
    fields.text()
}

fn ok(body: impl Into<axum::body::Body>) -> Response {
    json(StatusCode::OK, body)
}

fn found(body: Option<Bytes>) -> Result<Response, ErrorReply> {
    body.map(ok).ok_or(ErrorReply::NotFound)
}

/// The part of a cart that a client may set. The server sets the rest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NewCart {
    id: String,
    customer_id: String,
    loyalty_card_id: String,
    receipt_email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddCartLines {
    cart_lines: Vec<NewLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewLine {
    product_id: i64,
    quantity: f64,
}

impl NewLine {
    fn item(self) -> Result<Item, ErrorReply> {
        // Quantities are decimals in the API, but this shop sells whole pieces.
        let whole =
            format!("{}", self.quantity).parse().map_err(|_| ErrorReply::invalid("Quantity is not a whole number."))?;
        Ok(Item { product: self.product_id, quantity: whole })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckoutBody {
    #[serde(default)]
    receipt_email: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Synchronization {
    app_name: String,
}

impl Synchronization {
    fn checked(self) -> Result<String, ErrorReply> {
        if self.app_name.trim().is_empty() { Err(ErrorReply::invalid("appName is blank.")) } else { Ok(self.app_name) }
    }
}
