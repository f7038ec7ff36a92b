//! Asks another program something: within a time, it gives an answer of bounded length.
//!
//! Programs that keep credentials are the operator's own, and still may hang, print without end, or leave somebody behind
//! who keeps their output open. It is a module so that all who ask a program are safe from that in one way.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

/// How long the rest of an answer is waited for when the program has ended.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// How much of an answer is read at once, in bytes.
const CHUNK: usize = 16 << 10;

/// The input of a program.
pub(crate) enum Given {
    /// Its input is at its end.
    Nothing,
    /// It may ask the person at the terminal.
    Terminal,
    /// A text, which may hold a password.
    Text(SecretString),
}

/// The bounds of a program that is asked.
pub(crate) struct Bounds {
    /// The longest answer, in bytes.
    pub(crate) answer: usize,
    /// How long it may take.
    pub(crate) time: Duration,
    /// Its process group.
    pub(crate) group: Group,
}

/// The process group of a program that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// One of its own: whatever the program has started is ended with it.
    Own,
    /// This process's. At a terminal no other may ask for something, and Ctrl-C ends all who are in it.
    Shared,
}

impl Group {
    /// The group for a program that is started from here.
    pub(crate) fn here() -> Self {
        let is_terminal =
            io::stdin().is_terminal() || io::stderr().is_terminal() || io::stdout().is_terminal();
        if is_terminal { Self::Shared } else { Self::Own }
    }
}

/// How a program has ended.
pub(crate) struct Answered {
    /// Its exit code or signal.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) answer: Vec<u8>,
}

/// Why a program gave no answer. It is not running any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// It did not end in time.
    #[error("it did not come to an end within {} s", .0.as_secs())]
    NoEnd(Duration),
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] io::Error),
    /// It printed more than is read.
    #[error("it printed more than {0} bytes")]
    TooLong(usize),
}

/// Starts a program, and waits for its answer. Blocks.
///
/// # Errors
/// [`AskError`]; the program, and in a group of its own all that it has started, is ended then.
pub(crate) fn ask(mut command: Command, given: Given, bounds: &Bounds) -> Result<Answered, AskError> {
    command.stdout(Stdio::piped()).stdin(match given {
        Given::Nothing => Stdio::null(),
        Given::Terminal => Stdio::inherit(),
        Given::Text(_) => Stdio::piped(),
    });
    #[cfg(unix)]
    if bounds.group == Group::Own {
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    let mut program = Program { child: command.spawn()?, group: bounds.group };
    drop(command);
    let heard = program.heard(given, bounds);
    match &heard {
        Ok(Heard { is_open: false, .. }) => {}
        // Whoever still holds its output open is not waited for.
        _ => program.end(),
    }
    Ok(Answered { answer: heard?.answer, status: program.child.wait()? })
}

/// A program that was started, and not waited for: until then its number is nobody else's.
struct Program {
    child: Child,
    group: Group,
}

/// The output of a program that ended.
struct Heard {
    answer: Vec<u8>,
    /// Whether somebody holds its output open.
    is_open: bool,
}

impl Program {
    fn heard(&mut self, given: Given, bounds: &Bounds) -> Result<Heard, AskError> {
        self.tell(given)?;
        let chunks = self.listen()?;
        #[expect(clippy::disallowed_methods, reason = "how long another program takes")]
        let started = Instant::now();
        let (mut heard, mut ended) = (Heard { answer: Vec::new(), is_open: true }, None);
        loop {
            heard.hear(&chunks);
            if heard.answer.len() > bounds.answer {
                return Err(AskError::TooLong(bounds.answer));
            }
            if ended.is_none() && self.has_ended()? {
                ended = Some(started.elapsed());
            }
            match ended {
                Some(_) if !heard.is_open => return Ok(heard),
                Some(ended) if started.elapsed() > ended.saturating_add(AFTERWARDS) => return Ok(heard),
                None if started.elapsed() > bounds.time => return Err(AskError::NoEnd(bounds.time)),
                _ => {}
            }
        }
    }

    /// Gives it its input, on another thread: it need not take it.
    fn tell(&mut self, given: Given) -> io::Result<()> {
        let (Some(mut input), Given::Text(text)) = (self.child.stdin.take(), given) else { return Ok(()) };
        // One that does not read what it is given has decided already.
        let tell = move || drop(input.write_all(text.expose_secret().as_bytes()));
        thread::Builder::new().spawn(tell).map(drop)
    }

    /// Reads what it prints, on another thread, and never more than what is taken from here.
    fn listen(&mut self) -> io::Result<Receiver<Vec<u8>>> {
        let (sender, chunks) = sync_channel(1);
        if let Some(output) = self.child.stdout.take() {
            thread::Builder::new().spawn(move || pass_on(output, &sender))?;
        }
        Ok(chunks)
    }

    #[cfg(unix)]
    fn has_ended(&mut self) -> io::Result<bool> {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), look)?.is_some())
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends it, and all of a group of its own. It may have ended already.
    fn end(&mut self) {
        #[cfg(unix)]
        if self.group == Group::Own {
            let group = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Heard {
    fn hear(&mut self, chunks: &Receiver<Vec<u8>>) {
        if !self.is_open {
            return thread::sleep(LOOK);
        }
        match chunks.recv_timeout(LOOK) {
            Ok(chunk) => self.answer.extend(chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.is_open = false,
        }
    }
}

/// Passes on what is printed, until nobody takes it any more.
fn pass_on(mut output: impl io::Read, chunks: &SyncSender<Vec<u8>>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let printed = match output.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => chunk.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if chunks.send(printed.to_vec()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { answer: 1000, time: Duration::from_secs(300), group: Group::Own };

    /// How a script of the shell answers. Whatever of it is still running is waited for: its standard error is at its end
    /// when nobody holds it any more.
    fn asked(script: &str, given: Given, bounds: &Bounds) -> Result<Answered, AskError> {
        let (mut errors, held) = io::pipe().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the program that is asked")]
        let mut command = Command::new("sh");
        command.args(["-c", script]).stderr(held);
        let answered = ask(command, given, bounds);
        io::copy(&mut errors, &mut io::sink()).unwrap();
        answered
    }

    #[test]
    fn a_program_reads_what_it_is_given_and_says_how_it_ended() {
        let answered = asked("cat; exit 3", Given::Text("hello".into()), &BOUNDS).unwrap();
        assert_eq!((answered.status.code(), answered.answer), (Some(3), b"hello".to_vec()));
        let nothing = asked("cat", Given::Nothing, &BOUNDS).unwrap();
        assert!(nothing.status.success() && nothing.answer.is_empty());
        // More than a pipe holds, and nobody reads it.
        let unread = asked("echo done", Given::Text("x".repeat(1 << 20).into()), &BOUNDS).unwrap();
        assert_eq!(unread.answer, b"done\n");
        // Its output is at its end before it is.
        let closed = asked("echo done; exec >&-; sleep 0.05; exit 4", Given::Nothing, &BOUNDS).unwrap();
        assert_eq!((closed.status.code(), closed.answer), (Some(4), b"done\n".to_vec()));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let bounds = Bounds { time: Duration::from_millis(20), ..BOUNDS };
        for script in
            ["sleep 1000", "sleep 1000 & sleep 1000", "exec >&-; sleep 1000", "trap '' TERM INT; sleep 1000"]
        {
            let error = asked(script, Given::Nothing, &bounds).err();
            assert!(matches!(error, Some(AskError::NoEnd(_))), "{script}: {error:?}");
        }
    }

    #[test]
    fn a_program_that_prints_without_end_is_ended_with_all_that_it_started() {
        for script in ["sleep 1000 & yes", "yes & wait", "yes & exit", "(sleep 1000 & yes) | cat"] {
            let error = asked(script, Given::Nothing, &BOUNDS).err();
            assert!(matches!(error, Some(AskError::TooLong(1000))), "{script}: {error:?}");
        }
        let whole = asked("head -c 1000 /dev/zero", Given::Nothing, &BOUNDS).unwrap();
        assert_eq!(whole.answer.len(), 1000);
    }

    #[test]
    fn who_keeps_the_output_open_is_not_waited_for() {
        let answered = asked("sleep 1000 & echo done", Given::Nothing, &BOUNDS).unwrap();
        assert!(answered.status.success());
        assert_eq!(answered.answer, b"done\n");
    }

    #[test]
    fn who_has_let_go_of_the_output_goes_on() {
        // The end of a pipe that is read: as long as it reads there, somebody can write.
        let (read, mut written) = io::pipe().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the program that is asked")]
        let mut command = Command::new("sh");
        command.args(["-c", "cat <&2 > /dev/null 2>&- & echo done"]).stderr(read);
        assert_eq!(ask(command, Given::Nothing, &BOUNDS).unwrap().answer, b"done\n");
        written.write_all(b"x").unwrap();
    }

    #[test]
    fn in_the_group_of_a_terminal_the_program_alone_is_ended() {
        let bounds = Bounds { time: Duration::from_millis(20), group: Group::Shared, ..BOUNDS };
        let error = asked("exec sleep 1000", Given::Nothing, &bounds).err();
        assert_eq!(error.unwrap().to_string(), "it did not come to an end within 0 s");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_apart() {
        #[expect(clippy::disallowed_methods, reason = "the program that is asked")]
        let nobody = Command::new("/nonexistent/program");
        let error = ask(nobody, Given::Nothing, &BOUNDS).err();
        assert!(matches!(error, Some(AskError::Start(why)) if why.kind() == io::ErrorKind::NotFound));
    }
}
