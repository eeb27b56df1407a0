//! JSON: any reader, any input.

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::bad_input::samples::{Kind, kinds};

/// A place in a JSON value.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Every place in a value, the top first.
fn places(value: &Value) -> Vec<Vec<Step>> {
    let mut all = vec![vec![]];
    let mut below = |step: &dyn Fn() -> Step, child: &Value| {
        for mut rest in places(child) {
            rest.insert(0, step());
            all.push(rest);
        }
    };
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                below(&|| Step::Key(key.clone()), child);
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                below(&|| Step::Index(index), child);
            }
        }
        _ => {}
    }
    all
}

fn at<'a>(value: &'a mut Value, place: &[Step]) -> &'a mut Value {
    place.iter().fold(value, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Index(index) => &mut value[index],
    })
}

/// As errors write it; the top is a dot.
fn path(place: &[Step]) -> String {
    let mut path = String::new();
    for step in place {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Values that cannot stand where this one stands.
fn wrong(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![],
        Value::Bool(_) => vec![json!(1), json!("true"), json!(null), json!([])],
        Value::Number(_) => vec![json!(-1), json!(1.5), json!(1e30), json!("1"), json!(null)],
        Value::String(_) => vec![json!(1), json!("0xzz"), json!("0x0"), json!(null), json!({})],
        Value::Array(_) => vec![json!(1), json!("[]"), json!({}), json!(null)],
        Value::Object(_) => vec![json!(1), json!("{}"), json!(null), json!(true)],
    }
}

fn error_of(kind: &Kind, text: &str) -> Option<(String, String)> {
    (kind.read)(text).err().map(|error| (error.path.clone(), error.to_string()))
}

#[test]
fn every_sample_is_read() {
    for kind in kinds() {
        for (_, value) in &kind.samples {
            assert_eq!(error_of(kind, &value.to_string()), None, "{}", kind.name);
        }
    }
}

#[test]
fn a_wrong_type_anywhere_is_an_error_at_its_place() {
    for kind in kinds() {
        for (_, sample) in &kind.samples {
            for place in places(sample) {
                let mut spoiled = sample.clone();
                for wrong in wrong(&at(&mut spoiled, &place).clone()) {
                    *at(&mut spoiled, &place) = wrong;
                    let error = error_of(kind, &spoiled.to_string());
                    let found = error.as_ref().map(|(path, _)| path.as_str());
                    assert_eq!(found, Some(&*path(&place)), "{}: {spoiled} {error:?}", kind.name);
                }
            }
        }
    }
}

#[test]
fn a_missing_field_anywhere_is_an_error_that_names_it() {
    for kind in kinds() {
        for (_, sample) in &kind.samples {
            for place in places(sample) {
                let Some((Step::Key(key), parent)) = place.split_last() else { continue };
                let mut spoiled = sample.clone();
                at(&mut spoiled, parent).as_object_mut().expect("has keys").remove(key);
                let (found, text) = error_of(kind, &spoiled.to_string()).expect(kind.name);
                assert_eq!(found, path(parent), "{}: {text}", kind.name);
                assert!(text.contains(&format!("`{key}`")), "{}: {text}", kind.name);
            }
        }
    }
}

#[test]
fn lists_above_their_limits_are_errors_at_their_place() {
    let root = json!(format!("0x{}", "11".repeat(32)));
    let many = |item: &Value, count: usize| json!({ "data": vec![item.clone(); count] });
    let no = json!(false);
    for (name, place, list) in [
        ("AggregatedAttestation", "aggregationBits", many(&no, 4097)),
        ("BlocksByRootRequest", "roots", many(&root, 1025)),
        ("MultiMessageAggregate", "proof", json!({ "data": "00".repeat((512 << 10) + 1) })),
        ("State", "justifiedSlots", many(&no, (1 << 18) + 1)),
        ("State", "historicalBlockHashes", many(&root, (1 << 18) + 1)),
    ] {
        let kind = kinds().iter().find(|kind| kind.name == name).expect("listed");
        let mut value = kind.samples[0].1.clone();
        value[place] = list;
        let (path, text) = error_of(kind, &value.to_string()).expect("above the limit");
        assert_eq!(path, place, "{text}");
    }
    for (name, place, limit) in [("State", "validators", 4096), ("BlockBody", "attestations", 4096)]
    {
        let kind = kinds().iter().find(|kind| kind.name == name).expect("listed");
        let mut value = kind.samples[1].1.clone();
        let item = value[place]["data"][0].clone();
        let numbered = (0..=limit).map(|index| {
            let mut item = item.clone();
            if item.get("index").is_some() {
                item["index"] = json!(index);
            }
            item
        });
        value[place]["data"] = numbered.collect();
        let (path, text) = error_of(kind, &value.to_string()).expect("above the limit");
        assert_eq!(path, place, "{text}");
    }
}

/// The registry's rule that an index is a position holds for JSON too.
#[test]
fn a_validator_out_of_place_is_an_error_at_the_registry() {
    let kind = kinds().iter().find(|kind| kind.name == "State").expect("listed");
    let mut value = kind.samples[1].1.clone();
    value["validators"]["data"][2]["index"] = json!(1);
    let (path, text) = error_of(kind, &value.to_string()).expect("refused");
    assert_eq!(path, "validators");
    assert!(text.contains("position 2 has index 1"), "{text}");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_exhausted_stack() {
    for open in ["[", "{\"data\":", "{\"block\":{\"body\":", "{\"config\":["] {
        let text = open.repeat(100_000);
        for kind in kinds() {
            assert!(error_of(kind, &text).is_some(), "{}", kind.name);
        }
    }
}

#[test]
fn text_after_the_value_is_an_error() {
    for kind in kinds() {
        let text = format!("{} 1", kind.samples[0].1);
        let (path, _) = error_of(kind, &text).expect(kind.name);
        assert_eq!(path, "(after the value)");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "data",
            "slot",
            "root",
            "block",
            "body",
            "attestations",
            "proof",
            "head",
            "validators"
        ])
        .prop_map(str::to_owned),
        "[a-z]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "0x[0-9a-f]{0,70}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_json_is_read_or_refused_with_a_place(value in any_json()) {
        let text = value.to_string();
        for kind in kinds() {
            if let Some((path, _)) = error_of(kind, &text) {
                prop_assert!(!path.is_empty(), "{}: {text}", kind.name);
            }
        }
    }

    #[test]
    fn random_text_is_refused_with_a_place(text in "\\PC{0,60}") {
        for kind in kinds() {
            if let Some((path, _)) = error_of(kind, &text) {
                prop_assert!(!path.is_empty(), "{}: {text}", kind.name);
            }
        }
    }

    /// A place spoiled by any value: what is refused is refused at that place or inside it.
    #[test]
    fn a_random_value_in_a_random_place_is_read_or_refused_there(
        which in any::<Index>(),
        place in any::<Index>(),
        value in any_json(),
    ) {
        let kind = which.get(kinds());
        let sample = &kind.samples.last().expect("each has one").1;
        let all = places(sample);
        let place = place.get(&all);
        let mut spoiled = sample.clone();
        *at(&mut spoiled, place) = value;
        if let Some((found, text)) = error_of(kind, &spoiled.to_string()) {
            let (found, place) = (found.trim_start_matches('.'), path(place));
            let place = place.trim_start_matches('.');
            // A check of the whole, such as a registry's positions, is an error further up.
            prop_assert!(
                found.starts_with(place) || place.starts_with(found),
                "{}: spoiled at {place}, found at {found}: {text}", kind.name
            );
        }
    }

    #[test]
    fn a_text_cut_short_is_refused(which in any::<Index>(), cut in any::<Index>()) {
        let kind = which.get(kinds());
        let text = kind.samples.last().expect("each has one").1.to_string();
        let cut = &text[..cut.index(text.len())];
        let (path, _) = error_of(kind, cut).expect("half a value");
        prop_assert!(!path.is_empty());
    }
}
