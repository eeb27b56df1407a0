//! The names of peers in metrics.

use std::collections::{BTreeMap, BTreeSet};

use quintet_components::network::{PeerId, PeerNames};

/// The labels of the connected peers: the name in the network's files, else the name of the peer's
/// software with the lowest number that no other peer has. A peer keeps its label while it is
/// connected.
#[derive(Debug, Default)]
pub(super) struct PeerLabels(BTreeMap<PeerId, Label>);

#[derive(Debug)]
struct Label {
    /// The name before the number.
    stem: String,
    text: String,
}

impl PeerLabels {
    /// Gives every connected peer its label, and forgets the others.
    pub(super) fn update<'a>(
        &mut self,
        peers: impl IntoIterator<Item = (&'a PeerId, Option<&'a str>)>,
        names: &PeerNames,
    ) {
        let peers: BTreeMap<&PeerId, Option<&str>> = peers.into_iter().collect();
        self.0.retain(|peer, label| {
            let stem = peers.get(peer).map(|agent| stem(*agent));
            names.get(peer).is_none() && stem.is_some_and(|stem| stem == label.stem)
        });
        let named = names.iter();
        let mut taken: BTreeSet<String> =
            named.chain(self.0.values().map(|label| label.text.as_str())).map(Into::into).collect();
        for (peer, agent) in peers {
            if self.0.contains_key(peer) {
                continue;
            }
            let label = match names.get(peer) {
                Some(name) => Label { stem: String::new(), text: name.to_owned() },
                None => {
                    let stem = stem(agent);
                    let text = (0..)
                        .map(|number| format!("{stem}_{number}"))
                        .find(|text| !taken.contains(text))
                        .expect("there are more numbers than peers");
                    Label { stem, text }
                }
            };
            taken.insert(label.text.clone());
            self.0.insert(peer.clone(), label);
        }
    }

    /// The label of a connected peer.
    pub(super) fn get(&self, peer: &PeerId) -> Option<&str> {
        self.0.get(peer).map(|label| label.text.as_str())
    }

    /// The labels of all.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|label| label.text.as_str())
    }
}

/// The name of a peer's software, without the version.
fn stem(agent: Option<&str>) -> String {
    let software = agent.unwrap_or("").split('/').next().unwrap_or("");
    let stem = PeerNames::plain(software).to_ascii_lowercase();
    if stem.is_empty() { "unknown".into() } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &PeerLabels) -> Vec<&str> {
        labels.iter().collect()
    }

    #[test]
    fn the_files_name_goes_before_the_agent_and_labels_last_as_long_as_connections() {
        let names = PeerNames::new([("a".into(), "ream_0".into()), ("z".into(), "zeam_0".into())]);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(PeerId::from);
        let mut known = PeerLabels::default();
        known.update([(&a, Some("x/1")), (&b, Some("Zeam/0.1")), (&c, None)], &names);
        // `zeam_0` is the name of another peer, whether it is connected or not.
        assert_eq!(labels(&known), ["ream_0", "zeam_1", "unknown_0"]);
        known.update([(&b, Some("Zeam/0.1")), (&c, Some("zeam/9")), (&d, Some("zeam"))], &names);
        assert_eq!(labels(&known), ["zeam_1", "zeam_2", "zeam_3"]);
        known.update([(&c, Some("zeam/9")), (&d, Some("zeam"))], &names);
        assert_eq!(labels(&known), ["zeam_2", "zeam_3"]);
        known.update([(&a, None), (&b, Some("zeam")), (&c, Some("zeam/9"))], &names);
        assert_eq!(known.get(&b), Some("zeam_1"), "the lowest that is free");
        assert_eq!((known.get(&a), known.get(&d)), (Some("ream_0"), None));
    }

    #[test]
    fn an_agent_is_not_trusted() {
        assert_eq!(stem(Some("a\"} 1\nb{c=\"/1")), "a1bc");
        assert_eq!(stem(Some("/1")), "unknown");
        assert_eq!(stem(Some(&"ü".repeat(9))), "unknown");
        assert_eq!(stem(Some(&"x".repeat(999))).len(), 48, "bounded");
    }
}
