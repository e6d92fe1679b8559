//! Runs a program of the system, without a shell, and says in a sentence what went wrong.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// Whoever restarts a network or shuts down has begun by then.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read of a program's complaints; bytes.
const MAX_SAID: u64 = 4_096;

/// The program first, then its arguments.
pub(super) async fn run(command: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Err("no program is named".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} can't be started: {error}"))?;
    let stderr = child.stderr.take();
    let ended = async {
        let said = match stderr {
            Some(stderr) => heard(stderr).await,
            None => String::new(),
        };
        (child.wait().await, said)
    };
    match timeout(PATIENCE, ended).await {
        Err(_) => Err(format!("{program} has not ended within {} s, and was ended", PATIENCE.as_secs())),
        Ok((Err(error), _)) => Err(format!("{program}: {error}")),
        Ok((Ok(status), _)) if status.success() => Ok(()),
        Ok((Ok(status), said)) => {
            let why = said.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
            Err(format!("{program} refused: {}", why.unwrap_or_else(|| status.to_string())))
        }
    }
}

/// The beginning of what it says, read to the end so that it isn't held up.
async fn heard(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut said = Vec::new();
    // What can't be read isn't worth a second error.
    let _ = (&mut stderr).take(MAX_SAID).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(words: &[&str]) -> Result<(), String> {
        run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).await
    }

    #[tokio::test]
    async fn what_a_program_says_is_told() {
        assert_eq!(told(&["true"]).await, Ok(()));
        assert_eq!(told(&["false"]).await, Err("false refused: exit status: 1".to_owned()));
        let refused = told(&["sh", "-c", "echo >&2; echo 'Access denied' >&2; echo more >&2; exit 4"]).await;
        assert_eq!(refused, Err("sh refused: Access denied".to_owned()));
        let missing = told(&["/there/is/no/such/program"]).await.expect_err("not there");
        assert!(missing.starts_with("/there/is/no/such/program can't be started: No such file"), "{missing}");
        assert_eq!(told(&["sh", "-c", "head -c 1000000 /dev/zero >&2"]).await, Ok(()), "it isn't held up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_ended() {
        let hangs = told(&["sleep", "1000"]).await.expect_err("ended");
        assert_eq!(hangs, "sleep has not ended within 30 s, and was ended");
    }
}
