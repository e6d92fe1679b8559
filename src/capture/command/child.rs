//! A program whose standard output is read: started, listened to, ended for certain.
//!
//! Not here: what its output means.
//!
//! It runs in a process group of its own, so that what it starts itself ends with it, and it is
//! killed by the kernel when the *thread* that started it ends (PR_SET_PDEATHSIG knows threads): open
//! and read a source on the same thread.
#![allow(clippy::disallowed_methods, reason = "listens to a process with time limits")]

use super::lines::Lines;
use crate::capture::CaptureError;
use crate::time::MonoTime;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A program that writes nothing for this long hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// Time to end after SIGTERM; then SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How often its pipes are emptied meanwhile.
const LISTEN_INTERVAL: Duration = Duration::from_millis(10);
/// Time to vanish after SIGKILL, before waiting for it is left to a thread.
const KILL_GRACE: Duration = Duration::from_millis(500);
/// Time between closing its output and ending.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// How much of standard error is read at once, bytes.
const STDERR_CHUNK: usize = 4_096;
/// The kernel lets anybody have pipes up to this, bytes.
const PIPE_LIMIT: usize = 1 << 20;

/// What listening brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many bytes, at least one.
    Bytes(usize),
    Nothing,
    /// The output is closed: see [`Child::farewell`].
    End,
}

#[derive(Debug)]
pub(super) struct Child {
    program: String,
    process: Option<Process>,
    /// Readable once the process has ended.
    pidfd: Option<OwnedFd>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    lines: Lines,
    silence_limit: Duration,
    /// Since when it was listened to in vain.
    silent_since: Option<MonoTime>,
}

impl Child {
    /// Starts `command`, its first item being the program. The pipe is made to hold `pipe_bytes`, as far
    /// as the kernel lets it.
    pub(super) fn spawn(command: &[String], pipe_bytes: usize) -> Result<Self, CaptureError> {
        let program = program_name(command);
        // With its path: that is what may be wrong.
        let spawn_error =
            |error: io::Error| CaptureError::Spawn { program: command.first().cloned().unwrap_or_default(), error };
        let (path, arguments) = command
            .split_first()
            .ok_or_else(|| spawn_error(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty")))?;
        let mut builder = Command::new(path);
        builder.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let parent = rustix::process::getpid();
        let die_with_parent = move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the line above.
            if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
        };
        // SAFETY: between fork and exec the closure makes two system calls (prctl, getppid) and touches
        // nothing but an integer it owns; it neither allocates nor locks.
        unsafe { builder.pre_exec(die_with_parent) };
        let mut process = builder.spawn().map_err(spawn_error)?;

        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let child = Self {
            pidfd: pid_of(&process).and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()),
            process: Some(process),
            stdout,
            stderr,
            lines: Lines::default(),
            silence_limit: SILENCE_LIMIT,
            silent_since: None,
            program: program.clone(),
        };
        child.set_up_pipes(pipe_bytes).map_err(|errno| spawn_error(errno.into()))?;
        log::debug!("{program}: started");
        Ok(child)
    }

    fn set_up_pipes(&self, pipe_bytes: usize) -> Result<(), Errno> {
        let (Some(stdout), Some(stderr)) = (&self.stdout, &self.stderr) else { return Ok(()) };
        // A smaller pipe works too.
        let _ = rustix::pipe::fcntl_setpipe_size(stdout, pipe_bytes.min(PIPE_LIMIT));
        for pipe in [stdout.as_fd(), stderr.as_fd()] {
            rustix::fs::fcntl_setfl(pipe, rustix::fs::fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(())
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    #[cfg(test)]
    pub(super) fn set_silence_limit(&mut self, limit: Duration) {
        self.silence_limit = limit;
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> u32 {
        self.process.as_ref().expect("runs until it is dropped").id()
    }

    /// Reads what there is into `buffer`, waiting at most `timeout` for the first byte.
    pub(super) fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<Heard, CaptureError> {
        let since = *self.silent_since.get_or_insert_with(MonoTime::now);
        let ready = self.wait(true, timeout);
        let Some(stdout) = &mut self.stdout else { return Ok(Heard::End) };
        if !ready {
            if MonoTime::now().nanos_since(since).unsigned_abs() >= self.silence_limit.as_nanos() as u64 {
                let problem = format!("wrote nothing for {} s", self.silence_limit.as_secs());
                return Err(CaptureError::BadData { device: self.program.clone(), problem });
            }
            return Ok(Heard::Nothing);
        }
        self.silent_since = None;
        match stdout.read(buffer) {
            Ok(0) => Ok(Heard::End),
            Ok(len) => Ok(Heard::Bytes(len)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Heard::Nothing)
            }
            Err(error) => Err(CaptureError::Io { device: self.program.clone(), doing: "reading its output", error }),
        }
    }

    /// Lets time pass without reading standard output; standard error is still heard.
    pub(super) fn idle(&mut self, time: Duration) {
        self.silent_since = None;
        let end = MonoTime::now() + time;
        loop {
            let left = MonoTime::now().until(end);
            if left.is_zero() {
                return;
            }
            self.wait(false, left);
        }
    }

    /// After [`Heard::End`]: how it ended, with its last words.
    pub(super) fn farewell(&mut self) -> CaptureError {
        self.has_ended_within(EXIT_GRACE);
        self.hear_stderr();
        let status = match self.process.as_mut().and_then(|process| process.try_wait().ok()).flatten() {
            Some(status) => status.to_string(),
            None => "it closed its output".into(),
        };
        let last = self.lines.last();
        let status = if last.is_empty() { status } else { format!("{status}; its last words: {last}") };
        CaptureError::Exited { program: self.program.clone(), status }
    }

    /// Waits for output (if asked for), standard error or the timeout; true when there is output, or
    /// it has come to its end. Returns early when standard error said something.
    fn wait(&mut self, for_stdout: bool, timeout: Duration) -> bool {
        // A pipe that nobody looks at takes no place in the list: poll would report its end forever.
        let stdout = self.stdout.as_ref().filter(|_| for_stdout).map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        let fds: Vec<BorrowedFd<'_>> = stdout.into_iter().chain(stderr).collect();
        let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let said = poll(&mut polled, Some(&timespec(timeout))).is_ok_and(|count| count > 0);
        let ready: Vec<bool> = polled.iter().map(|fd| said && !fd.revents().is_empty()).collect();
        let (out, err) = match (stdout.is_some(), ready.as_slice()) {
            (true, [out, rest @ ..]) => (*out, rest.first() == Some(&true)),
            (_, rest) => (false, rest.first() == Some(&true)),
        };
        if err {
            self.hear_stderr();
        }
        out
    }

    fn hear_stderr(&mut self) {
        let Some(stderr) = &mut self.stderr else { return };
        let mut chunk = [0; STDERR_CHUNK];
        match stderr.read(&mut chunk) {
            Ok(0) => self.stderr = None,
            Ok(len) => {
                let program = &self.program;
                let said = chunk.get(..len).unwrap_or_default();
                self.lines.push(said, MonoTime::now(), |line| log::debug!("{program}: {line}"));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.stderr = None,
        }
    }

    /// Waits for the process to end, with its pipes open and emptied: one that says goodbye must neither
    /// block nor be ended by a broken pipe before it has cleaned up.
    fn listens_to_the_end(&mut self, time: Duration) -> bool {
        let end = MonoTime::now() + time;
        let mut unheard = [0; STDERR_CHUNK];
        while self.pidfd.is_some() && !MonoTime::now().until(end).is_zero() {
            if self.has_ended_within(LISTEN_INTERVAL) {
                return true;
            }
            self.hear_stderr();
            if let Some(stdout) = &mut self.stdout {
                // No more than a pipe holds, before it is looked again whether the program has ended.
                let mut chunks = 0..PIPE_LIMIT / unheard.len();
                while chunks.next().is_some() && stdout.read(&mut unheard).is_ok_and(|len| len > 0) {}
            }
        }
        false
    }

    /// Waits for the process to end; it is not reaped yet, so its id still is its own.
    fn has_ended_within(&mut self, time: Duration) -> bool {
        let Some(pidfd) = &self.pidfd else { return false };
        let end = MonoTime::now() + time;
        loop {
            let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
            match poll(&mut polled, Some(&timespec(MonoTime::now().until(end)))) {
                Err(Errno::INTR) => {}
                result => return result.is_ok_and(|count| count > 0),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let signal_group = |signal: Signal| {
            if let Some(pid) = pid_of(&process) {
                // Fails when nobody is left in the group.
                let _ = rustix::process::kill_process_group(pid, signal);
            }
        };
        signal_group(Signal::TERM);
        if !self.listens_to_the_end(TERM_GRACE) {
            log::debug!("{}: didn't end when asked to: killed", self.program);
        }
        self.stdout = None;
        self.stderr = None;
        // The leader has not been reaped, so the group's number can't belong to anybody else. Also
        // for what the leader left behind.
        signal_group(Signal::KILL);
        if self.pidfd.is_some() && !self.has_ended_within(KILL_GRACE) {
            // Stuck in the kernel. Don't wait with it.
            log::warn!("{}: can't be killed yet", self.program);
            let _ = std::thread::Builder::new().name("reaper".into()).spawn(move || process.wait());
            return;
        }
        let _ = process.wait();
    }
}

/// What an operator calls a command: its program, without the path.
pub(super) fn program_name(command: &[String]) -> String {
    let first = command.first().map_or("", String::as_str);
    first.rsplit('/').next().unwrap_or(first).to_owned()
}

fn pid_of(process: &Process) -> Option<Pid> {
    i32::try_from(process.id()).ok().and_then(Pid::from_raw)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
