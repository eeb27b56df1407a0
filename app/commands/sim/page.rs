//! A page that shows a run: one file, without anything from elsewhere.

use std::{fs, path::Path};

use quintet_plugins::sim::Trace;

use super::Failure;

const PAGE: &str = include_str!("../../../assets/sim-page/trace.html");
/// The place of the data in the page.
const PLACE: &str = "{{TRACE}}";

/// Writes the page of a run.
pub(super) fn write(path: &Path, trace: &Trace) -> Result<(), Failure> {
    fs::write(path, page(trace)?).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn page(trace: &Trace) -> Result<String, Failure> {
    // Only an end tag in a text could end the element that holds it.
    let json = serde_json::to_string(trace)?.replace('<', "\\u003c");
    Ok(PAGE.replacen(PLACE, &json, 1))
}

#[cfg(test)]
mod tests {
    use quintet_plugins::sim::Simulation;

    use super::*;

    #[test]
    fn a_page_holds_its_run_as_json_and_nothing_from_elsewhere() {
        let trace = Simulation::new(1).slots(3).run_traced();
        let page = page(&trace).expect("text");
        let (_, rest) = page.split_once("id=\"trace\">").expect("the data's element");
        let (json, _) = rest.split_once("</script>").expect("its end");
        let data: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let moments = data["moments"].as_array().expect("a list");
        let count = |what| moments.iter().filter(|moment| moment["what"] == what).count();
        assert_eq!((count("start"), data["slots"].as_array().map(Vec::len)), (4, Some(3)));
        assert!(count("block") >= 2 && count("attestation") >= 8 && count("proof") > 0);
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
