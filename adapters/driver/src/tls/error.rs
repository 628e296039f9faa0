use std::error::Error;
use std::fmt;

/// What is wrong with certificates, keys or files, in words for whoever has to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(Box<str>);

impl TlsError {
    pub(super) fn new(why: impl Into<Box<str>>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TlsError {}
