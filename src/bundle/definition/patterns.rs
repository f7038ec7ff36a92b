//! Matches text with the patterns of a definition, by the cheapest engine that can.
//!
//! The time of matching grows with the text and with what a pattern may keep in mind. Nothing can end it once it has
//! begun, so both are bounded before.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// How often a regular expression may go back. Without it, a pattern and a value that belong together could keep the
/// host busy for years.
const MAX_BACKTRACKING: usize = 10_000;

/// How much memory a compiled regular expression may take, in bytes. Without it, `(a{1000}){1000}` would take all.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// How much memory one takes that hardly counts.
const SMALL_PATTERN_BYTES: usize = 16 << 10;

/// How many bytes a string weighs by itself, when it is matched.
const MATCHED: usize = 16;

/// How patterns are matched. The cheapest engine that can do it does, for all patterns of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patterns {
    /// In time that grows with the text, by few states.
    Small,
    /// In time that grows with the text, by many states.
    Large,
    /// By trying: look-around and references back need that.
    Backtracking,
}

impl Patterns {
    /// The engine for a schema, and the schema made ready with it.
    ///
    /// # Errors
    /// Where no engine can match its patterns, or the schema is none.
    pub(super) fn of(schema: &Value) -> Result<(Self, Validator), ValidationError<'static>> {
        for engine in [Self::Small, Self::Large] {
            if let Ok(validator) = engine.validator(schema) {
                return Ok((engine, validator));
            }
        }
        Ok((Self::Backtracking, Self::Backtracking.validator(schema)?))
    }

    /// The cost of matching a value with that many patterns.
    pub(super) fn work(self, patterns: usize, value: &Value) -> usize {
        match patterns.saturating_mul(self.weight()) {
            0 => 0,
            weight => text_weight(value).saturating_mul(weight),
        }
    }

    /// How much matching a byte takes, beside a small pattern.
    fn weight(self) -> usize {
        match self {
            Self::Small => 1,
            Self::Large => 16,
            Self::Backtracking => 64,
        }
    }

    fn validator(self, schema: &Value) -> Result<Validator, ValidationError<'static>> {
        let options = jsonschema::options().with_draft(Draft::Draft7).offline();
        let linear = |size| PatternOptions::regex().size_limit(size).dfa_size_limit(size);
        match self {
            Self::Small => options.with_pattern_options(linear(SMALL_PATTERN_BYTES)),
            Self::Large => options.with_pattern_options(linear(MAX_PATTERN_BYTES)),
            Self::Backtracking => options.with_pattern_options(
                PatternOptions::fancy_regex()
                    .backtrack_limit(MAX_BACKTRACKING)
                    .size_limit(MAX_PATTERN_BYTES)
                    .dfa_size_limit(MAX_PATTERN_BYTES),
            ),
        }
        .build(schema)
    }
}

/// The amount of text in a value, which patterns may be matched with. Names of members are text as well.
fn text_weight(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(text_weight).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| MATCHED + name.len() + text_weight(value)).sum()
        }
        Value::String(text) => MATCHED + text.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::bundle::definition::{Definition, InvalidDefinition, too_large};

    fn refusal(schema: &Value) -> InvalidDefinition {
        Definition::new(schema).unwrap_err()
    }

    #[test]
    fn patterns_are_matched_by_the_cheapest_engine_that_can() {
        for (pattern, expected, text) in [
            ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", Patterns::Small, "web-1"),
            ("^\\p{L}{1,5}$", Patterns::Large, "Grüße"),
            ("^(?!-)[a-z]+$", Patterns::Backtracking, "web"),
        ] {
            let schema = json!({"type": "string", "pattern": pattern});
            let definition = Definition::new(&schema).unwrap();
            assert_eq!(definition.patterns, expected, "{pattern}");
            assert_eq!(definition.check(&json!(text)), Ok(()), "{pattern}");
            assert!(definition.check(&json!("- -")).is_err(), "{pattern}");
        }
    }

    #[test]
    fn much_text_is_not_matched_with_many_patterns() {
        let patterns: Vec<_> = (0..290).map(|n| json!({"pattern": format!("^[ab]*a[ab]{{{n}}}$")})).collect();
        let definition = json!({"type": "string", "anyOf": patterns});
        let definition = Definition::new(&definition).unwrap();
        let too_large = Err(too_large());
        assert_eq!(definition.check(&json!("ab".repeat(500_000))), too_large);
        assert_eq!(definition.check(&json!("ab".repeat(20))), Ok(()));
        let one = json!({"type": "string", "pattern": "^[a-z]+$"});
        assert_eq!(Definition::new(&one).unwrap().check(&json!("a".repeat(1 << 20))), Ok(()));
        let trying = json!({"type": "object", "patternProperties": {"^(?=a)": {}}});
        let members: Map<_, _> = (0..5_000).map(|n| (format!("a{n}"), json!(1))).collect();
        assert_eq!(Definition::new(&trying).unwrap().check(&members.into()), too_large);
    }

    #[test]
    fn patterns_cannot_keep_the_host_busy() {
        for pattern in ["(a{1000}){1000}".to_owned(), "(".repeat(100_000), "[".repeat(10_000)] {
            assert!(matches!(refusal(&json!({"pattern": pattern})), InvalidDefinition::Schema(_)));
        }
        let schema = json!({"pattern": "^(?=(a+)+$)(a+)+$"});
        let value = json!("a".repeat(40) + "b");
        assert!(Definition::new(&schema).unwrap().check(&value).is_err());
        let many: Vec<_> = (0..301).map(|i| json!({"pattern": i.to_string()})).collect();
        assert_eq!(refusal(&json!({"anyOf": many})), InvalidDefinition::Large);
    }
}
