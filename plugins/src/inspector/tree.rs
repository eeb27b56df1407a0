//! A value as a tree, read out of its `Debug` text.
//!
//! `Debug` is what components have in common. Its text is read as derived implementations write it;
//! what an implementation writes otherwise stays one text.

use bevy_ecs::{
    entity::{Entity, EntityGeneration, EntityIndex},
    world::World,
};
use serde::Serialize;

/// Deeper values stay text.
const MAX_DEPTH: usize = 24;

/// A value: a text alone, or parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tree {
    /// A text, or the name of the type whose parts these are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    /// The entity that the text names, as questions name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entity: Option<String>,
    /// Its parts; none for a text alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<Vec<Part>>,
}

/// A field, an element or an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    /// A field's name or an entry's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(flatten)]
    pub(super) value: Tree,
}

/// The tree of a `Debug` text. Texts that name an entity of the world lead to it.
pub(super) fn tree(text: &str, world: &World) -> Tree {
    let mut reader = Reader { text, at: 0, world };
    let tree = reader.value(0);
    reader.skip_space();
    if reader.at < text.len() {
        // It is not what a derived implementation writes.
        return Tree { text: text.to_owned(), ..Tree::default() };
    }
    tree
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    world: &'a World,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.at += wanted.len_utf8();
        }
        is_there
    }

    fn value(&mut self, depth: usize) -> Tree {
        self.skip_space();
        let head = self.head();
        let close = match self.peek() {
            Some('(') => ')',
            Some('[') => ']',
            Some('{') => '}',
            _ => return self.leaf(head),
        };
        if depth == MAX_DEPTH {
            let nested = self.nested();
            return Tree { text: head + &nested, ..Tree::default() };
        }
        self.at += 1;
        Tree { text: head, entity: None, parts: Some(self.parts(close, depth)) }
    }

    /// Text up to what opens or ends a value. A space before a brace belongs to neither.
    fn head(&mut self) -> String {
        let begin = self.at;
        while let Some(next) = self.peek() {
            match next {
                '"' => self.string(),
                ',' | '(' | ')' | '[' | ']' | '{' | '}' => break,
                // A key ends; a path or an address goes on.
                ':' if self.rest()[1..].starts_with(' ') => break,
                _ => self.at += next.len_utf8(),
            }
        }
        self.text[begin..self.at].trim().to_owned()
    }

    fn string(&mut self) {
        self.at += 1;
        let mut is_escaped = false;
        while let Some(next) = self.peek() {
            self.at += next.len_utf8();
            match next {
                '"' if !is_escaped => return,
                _ => is_escaped = next == '\\' && !is_escaped,
            }
        }
    }

    /// A value in brackets as its text.
    fn nested(&mut self) -> String {
        let (begin, mut open) = (self.at, 0_usize);
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.string();
                    continue;
                }
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            self.at += next.len_utf8();
            if open == 0 {
                break;
            }
        }
        self.text[begin..self.at].to_owned()
    }

    fn parts(&mut self, close: char, depth: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        loop {
            self.skip_space();
            if self.take(close) || self.at >= self.text.len() {
                return parts;
            }
            let begin = self.at;
            let value = self.value(depth + 1);
            let key = self.text[begin..self.at].trim().to_owned();
            if self.take(':') {
                parts.push(Part { key: Some(key), value: self.value(depth + 1) });
            } else {
                parts.push(Part { key: None, value });
            }
            self.skip_space();
            self.take(',');
            if self.at == begin {
                // A bracket that belongs to nothing.
                self.at += self.peek().map_or(0, char::len_utf8);
            }
        }
    }

    fn leaf(&self, text: String) -> Tree {
        let entity = entity_of(&text).filter(|entity| self.world.get_entity(*entity).is_ok());
        Tree { entity: entity.map(|entity| entity.to_bits().to_string()), text, parts: None }
    }
}

/// The entity that a text like `12v3` names.
fn entity_of(text: &str) -> Option<Entity> {
    let (index, generation) = text.split_once('v')?;
    let index = EntityIndex::from_raw_u32(index.parse().ok()?)?;
    let generation = EntityGeneration::from_bits(generation.parse().ok()?);
    Some(Entity::from_index_and_generation(index, generation))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "it is written")]
    struct Sample {
        name: &'static str,
        nested: Option<(u8, [i8; 2])>,
        by_key: BTreeMap<(u8, u8), bool>,
        unit: (),
    }

    fn sample() -> Sample {
        Sample {
            name: "a, \"b\" {",
            nested: Some((1, [2, -3])),
            by_key: BTreeMap::from([((1, 2), true)]),
            unit: (),
        }
    }

    /// The tree as one line.
    fn line(tree: &Tree) -> String {
        let Some(parts) = &tree.parts else { return tree.text.clone() };
        let part = |part: &Part| {
            let key = part.key.as_ref().map_or_else(String::new, |key| format!("{key}="));
            key + &line(&part.value)
        };
        format!("{}<{}>", tree.text, parts.iter().map(part).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_derived_becomes_a_tree_whether_spread_over_lines_or_not() {
        let expected =
            r#"Sample<name="a, \"b\" {" nested=Some<<1 <2 -3>>> by_key=<(1, 2)=true> unit=<>>"#;
        let world = World::new();
        assert_eq!(line(&tree(&format!("{:?}", sample()), &world)), expected);
        let spread = line(&tree(&format!("{:#?}", sample()), &world));
        let same = r#"Sample<name="a, \"b\" {" nested=Some<<1 <2 -3>>> by_key=<"#;
        assert!(spread.starts_with(same) && spread.ends_with("=true> unit=<>>"), "{spread}");
    }

    #[test]
    fn a_text_that_is_cut_off_or_no_tree_is_kept_and_ends() {
        let world = World::new();
        for text in ["Some(", "A { b: [1, 2", "a)", "}", "\"open", "", "((((", "{:"] {
            let tree = tree(text, &world);
            assert!(tree.parts.is_some() || tree.text == text, "{text}: {tree:?}");
        }
        let deep = "(".repeat(4000);
        assert!(line(&tree(&deep, &world)).len() >= 3900);
        let time = tree("1.5s", &world);
        assert_eq!((time.text.as_str(), time.parts), ("1.5s", None));
        assert_eq!(tree("/ip4/127.0.0.1/udp/9000", &world).parts, None);
    }

    #[test]
    fn a_text_that_names_an_entity_leads_to_it_while_it_is_there() {
        let mut world = World::new();
        let entity = world.spawn_empty().id();
        let text = format!("Of({entity:?})");
        let found = |world: &World| {
            tree(&text, world).parts.and_then(|parts| parts[0].value.entity.clone())
        };
        assert_eq!(found(&world), Some(entity.to_bits().to_string()));
        world.despawn(entity);
        assert_eq!(found(&world), None);
    }
}
