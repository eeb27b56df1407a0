//! The scenarios of `assets/sim`: none breaks a rule, and each finalizes in the end.

use std::path::Path;

use quintet_plugins::sim::{Scenario, Simulation};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sim");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("readable");
            (name.clone(), toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[test]
fn no_scenario_breaks_a_rule() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 20, "{} scenarios", scenarios.len());
    for (name, scenario) in scenarios {
        let simulation = Simulation::of(scenario).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = simulation.run();
        assert_eq!(report.violation, None, "{name}");
    }
}

#[test]
fn scenarios_are_text_and_data() {
    for (name, scenario) in scenarios() {
        let text = toml::to_string(&scenario).expect("it can be written");
        assert_eq!(toml::from_str(&text).as_ref(), Ok(&scenario), "{name}: {text}");
    }
}
