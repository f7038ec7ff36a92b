//! Where in a YAML document a parser is: the member, as a JSON pointer.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Parser};

/// The lines of these members and items, as far as the text can be read.
pub(super) fn lines_of(text: &str, wanted: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let (mut places, mut lines) = (Places::default(), BTreeMap::new());
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let here = match &event {
            Event::Scalar(name, ..) if places.is_at_name() => Some(places.here() + &super::step(name)),
            Event::Alias(_) | Event::MappingStart(..) | Event::Scalar(..) | Event::SequenceStart(..) => {
                Some(places.here())
            }
            _ => None,
        };
        if let Some(here) = here.filter(|here| wanted.contains(here)) {
            lines.entry(here).or_insert(span.start.line());
        }
        places.pass(&event);
    }
    lines
}

/// The members that lead to the node that comes next.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Frame>);

/// A collection that is not closed yet.
#[derive(Debug)]
enum Frame {
    /// A list, and how many of its items are complete.
    List(usize),
    /// A mapping, and the name whose value comes next; none where a name comes next.
    Mapping(Option<String>),
}

impl Places {
    /// The member of what comes next; of its mapping, where that is a name.
    pub(super) fn here(&self) -> String {
        self.0.iter().fold(String::new(), |mut pointer, frame| {
            match frame {
                Frame::List(index) => pointer.push_str(&format!("/{index}")),
                Frame::Mapping(Some(name)) => pointer.push_str(&super::step(name)),
                Frame::Mapping(None) => {}
            }
            pointer
        })
    }

    /// Whether a name comes next.
    pub(super) fn is_at_name(&self) -> bool {
        matches!(self.0.last(), Some(Frame::Mapping(None)))
    }

    /// Goes on by one event of the parser.
    pub(super) fn pass(&mut self, event: &Event<'_>) {
        match event {
            Event::SequenceStart(..) => self.0.push(Frame::List(0)),
            Event::MappingStart(..) => self.0.push(Frame::Mapping(None)),
            Event::SequenceEnd | Event::MappingEnd => {
                self.0.pop();
                self.complete("");
            }
            Event::Scalar(text, ..) => self.complete(text),
            Event::Alias(_) => self.complete("*"),
            _ => {}
        }
    }

    /// A node ends here. This is its text, where it is a name.
    fn complete(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Frame::List(index)) => *index += 1,
            Some(Frame::Mapping(name)) => *name = if name.is_none() { Some(text.to_owned()) } else { None },
            None => {}
        }
    }
}
