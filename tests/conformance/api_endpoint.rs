//! Answers of the HTTP API, from a running server.

use libtest_mimic::Failed;
use quintet_components::containers::{Validator, Validators};
use quintet_plugins::{Anchor, MetricsPlugin};
use quintet_systems::transition::{anchor_block, generate_genesis};
use serde_json::Value;

use crate::{
    key_set,
    support::{
        chain,
        http::{Served, request},
        node::Setup,
    },
    vectors,
};

/// Runs one case: a node at the named anchor answers the request as the vector says.
pub fn run(case: &Value) -> Result<(), Failed> {
    let method: String = vectors::field(case, "method")?;
    let endpoint: String = vectors::field(case, "endpoint")?;
    let setup = Setup::new(anchor(case)?).with(|app| _ = app.add_plugins(MetricsPlugin::default()));
    let mut served = Served::start(setup);
    served.node.set_aggregator(vectors::field(case, "initialIsAggregator")?);
    served.node.update();

    let body = vectors::find(case, "requestBody");
    body.into_iter().for_each(vectors::note);
    let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    let wanted = format!("accept: {}", vectors::field::<String>(case, "expectedContentType")?);
    let headers: &[&str] = match body.is_empty() {
        // As leanSpec's own client: a scrape says nothing of what it accepts.
        true if endpoint == "/metrics" => &[],
        true => &[&wanted],
        false => &["content-type: application/json"],
    };
    if endpoint == "/metrics" {
        served.address = served.metrics;
    }
    let answer = served.ask(&request(&method, &endpoint, headers, &body));

    vectors::same("status", &answer.status, &vectors::field(case, "expectedStatusCode")?)?;
    let expected: String = vectors::field(case, "expectedContentType")?;
    let actual = answer.header("content-type").unwrap_or_default();
    // A type without parameters is the type alone.
    let actual = if expected.contains(';') { actual } else { essence(actual) };
    vectors::same("content type", &actual, &expected.as_str())?;
    match vectors::find(case, "expectedBody") {
        None => Ok(()),
        Some(body @ Value::String(_)) => vectors::same("body", &answer.body, &vectors::hex(body)?),
        Some(body) if body.get("required_metric_names").is_some() => metrics(&answer.body, body),
        Some(body) => {
            vectors::note(body);
            vectors::same("body", &answer.json(), body)
        }
    }
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// A scrape describes every required metric.
fn metrics(scrape: &[u8], expected: &Value) -> Result<(), Failed> {
    let scrape = std::str::from_utf8(scrape)?;
    let names: Vec<String> = vectors::field(expected, "required_metric_names")?;
    let described = |name: &str| {
        scrape.lines().any(|line| {
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) == Some(name)
        })
    };
    let missing: Vec<&String> = names.iter().filter(|name| !described(name)).collect();
    vectors::same("missing metrics", &missing, &Vec::new())
}

/// leanSpec's test validators, advanced by empty blocks.
fn anchor(case: &Value) -> Result<Anchor, Failed> {
    let parameters = vectors::at(case, "genesisParams")?;
    let count: u64 = vectors::optional(parameters, "numValidators")?.unwrap_or(4);
    let genesis_time = vectors::optional(parameters, "genesisTime")?.unwrap_or(0);
    let anchor_slot: u64 = vectors::optional(parameters, "anchorSlot")?.unwrap_or(0);
    let validators: Vec<Validator> =
        (0..count).map(key_set::validator).collect::<Result<_, _>>()?;
    let mut state = generate_genesis(genesis_time, Validators::new(validators)?);
    let mut block = anchor_block(&state);
    for slot in 1..=anchor_slot {
        (block, state) =
            chain::build_on(&state, slot, Vec::new()).map_err(|error| error.to_string())?;
    }
    Ok(Anchor { state: state.into(), block })
}
