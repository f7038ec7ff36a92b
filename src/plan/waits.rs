//! The waits of a run. They are a part of plans since waiting takes rights.

/// The waits of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waits {
    /// Nothing but what its next step needs, although the component asks for more.
    Nothing,
    /// Only the waits that the component asks for between its steps; none at the end.
    Steps,
    /// At the end also, until all is ready or gone.
    #[default]
    Everything,
}

impl Waits {
    /// Whether it waits for what the component asks for.
    pub fn between_steps(self) -> bool {
        self != Self::Nothing
    }

    /// Whether it waits at the end.
    pub fn at_the_end(self) -> bool {
        self == Self::Everything
    }
}
