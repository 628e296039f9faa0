use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What an address begins with that is the path of a Unix socket.
const UNIX: &str = "unix:";

/// Where a server listens. Printed, it is what [`Server::bind`](crate::Server::bind) takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and the port, if it has these.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path of the Unix socket, if it is one.
    #[must_use]
    pub fn unix(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// The path in `unix:/path`.
pub(super) fn unix_path(address: &str) -> Option<&Path> {
    address.strip_prefix(UNIX).map(Path::new)
}

/// A Unix socket's file, which is removed with it.
pub(super) struct SocketFile {
    #[cfg(unix)]
    path: PathBuf,
    /// Device and inode: somebody may have put another file there meanwhile.
    #[cfg(unix)]
    identity: (u64, u64),
}

#[cfg(unix)]
mod unix {
    use super::{Path, SocketFile, io};
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::os::unix::net::UnixListener;

    /// Listens at `path`. A socket that nobody listens on any more, left behind by a server that was killed, is taken away first.
    pub(in crate::server) fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        let identity = identity(path)?;
        listener.set_nonblocking(true)?;
        Ok((listener, SocketFile { path: path.to_owned(), identity }))
    }

    fn remove_stale(path: &Path) -> io::Result<()> {
        let in_use = |why: &str| io::Error::new(io::ErrorKind::AddrInUse, format!("`{}` {why}", path.display()));
        if !fs::symlink_metadata(path)?.file_type().is_socket() {
            return Err(in_use("exists and is no socket"));
        }
        // It must not wait for a server that is too busy to answer.
        let asking = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        asking.set_nonblocking(true)?;
        match asking.connect(&SockAddr::unix(path)?) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Ok(()) | Err(_) => Err(in_use("is in use by another server")),
        }
    }

    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            if identity(&self.path).is_ok_and(|now| now == self.identity) {
                // Who removed it in this moment has done what was to be done.
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

#[cfg(unix)]
pub(super) use unix::listen;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_is_taken() {
        let tcp = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 80)));
        let unix = Address::Unix("/run/rpc.sock".into());
        assert_eq!((tcp.to_string().as_str(), unix_path(&tcp.to_string())), ("127.0.0.1:80", None));
        assert_eq!(unix_path(&unix.to_string()), unix.unix());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_of_a_socket_comes_and_goes_with_it() {
        use std::fs;
        use std::os::unix::net::UnixListener;
        let dir = std::env::temp_dir().join(format!("bowline-address-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        // Left behind by one that was killed.
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = listen(&path).unwrap();
        let refused = listen(&path).map(|_| ()).unwrap_err();
        assert!(refused.kind() == io::ErrorKind::AddrInUse && refused.to_string().contains("another server"), "{refused}");
        drop((listener, file));
        assert!(!path.exists());

        fs::write(&path, "a letter").unwrap();
        let refused = listen(&path).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("no socket") && path.exists(), "{refused}");
        fs::remove_file(&path).unwrap();

        let (listener, file) = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "not ours").unwrap();
        drop((listener, file));
        assert!(path.exists(), "somebody else's file is left");
        fs::remove_dir_all(&dir).unwrap();
    }
}
