//! A bot on a chat gateway in the style of Discord's: hello with a heartbeat whose first beat is
//! jittered, an identify budget, a session that is resumed, opcodes that say reconnect or start
//! afresh, and close codes that say stop.
//!
//! `cargo run --example gateway` starts a gateway on loopback that keeps to the published rules, lets
//! things go wrong, and checks both sides: no rule was broken, no message was missed or seen twice
//! that a resume brings back, and each session that was lost was told.

mod protocol;
mod server;

use std::error::Error;
use std::time::Duration;

use redial_tokio::redial::{
    Continuity, FirstPing, Halted, Heartbeat, Limit, Phase, Pings, Policy, Refresh, Rule, Status,
    Verdict,
};
use redial_tokio::{Client, ClientEvent, Events, Handle, Token};
use tokio::time::timeout;

use protocol::Gateway;
use server::{HEARTBEAT, IDENTIFY_EVERY, Mishap, Server, TOKEN};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The gateway's rules as a policy, at twenty times their speed.
fn policy() -> Result<Policy, Box<dyn Error>> {
    let heartbeat =
        Heartbeat::new(HEARTBEAT, HEARTBEAT).pings(Pings::Always).first(FirstPing::Jittered);
    // 1 000 identifies a day: at most 500 at once and 500 more in the course of it.
    let a_day = Limit::new(500, Duration::from_secs(24 * 3_600) / 500 / 20);
    let halts = [4004, 4010, 4011, 4012, 4013, 4014];
    let afresh = [4007, 4009];
    let mut builder = Policy::builder()
        .retry(ms(25), ms(1_000))
        .first_within(ms(50))
        .attempts(Limit::new(10, ms(250)))
        .settle_after(ms(1_000))
        .ready_within(Some(ms(1_000)))
        .refresh(Refresh::EveryAttempt)
        .heartbeat(Some(heartbeat))
        .fresh_sessions(&[Limit::new(1, IDENTIFY_EVERY), a_day]);
    for code in halts {
        builder = builder.rule(Rule::code(code, code, Verdict::Halt));
    }
    for code in afresh {
        builder = builder.rule(Rule::code(code, code, Verdict::FreshSession));
    }
    Ok(builder.build()?)
}

/// What the bot sees.
struct Bot {
    handle: Handle<()>,
    events: Events<(), u64>,
    last: u64,
    /// Numbers that are missing and not told as lost, or that came twice.
    wrong: Vec<u64>,
    losses: u32,
    status: Status,
}

impl Bot {
    /// Takes events in until one of the statuses is what was waited for.
    async fn until(&mut self, what: &str, is: impl Fn(&Status) -> bool) -> Result<(), String> {
        let waited = timeout(Duration::from_secs(20), async {
            while let Some(event) = self.events.next().await {
                match event {
                    ClientEvent::Data { data, .. } => {
                        if data != self.last + 1 && self.last != 0 {
                            self.wrong.push(data);
                        }
                        self.last = data;
                    }
                    ClientEvent::Lost { .. } => {
                        self.losses += 1;
                        self.last = 0;
                    }
                    ClientEvent::Status(status) => {
                        self.status = status;
                        if is(&status) {
                            return;
                        }
                    }
                    other => eprintln!("{other:?}"),
                }
            }
        });
        waited.await.map_err(|_| format!("{what}: not within 20 s, but {:?}", self.status))?;
        println!("{what}: {:?}, continuity {:?}", self.status.phase, self.status.continuity);
        Ok(())
    }
}

fn is_live_again(how: Continuity, losses: u32) -> impl Fn(&Status) -> bool {
    move |status| {
        let continued = status.continuity == Some(how) && status.losses == losses;
        status.phase == Phase::Live && continued
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start().await?;
    let (handle, events) = Client::builder(format!("ws://{}", server.address))
        .policy(policy()?)
        .tokens(|| async { Ok(Token::new(TOKEN)) })
        .connect(Gateway::default())?;
    let status = handle.status();
    let mut bot = Bot { handle, events, last: 0, wrong: Vec::new(), losses: 0, status };
    bot.until("identified", is_live_again(Continuity::First, 0)).await?;

    server.plan(Mishap::Cut);
    bot.until("cut, resumed", is_live_again(Continuity::Resumed, 0)).await?;
    server.plan(Mishap::Reconnect);
    bot.until("told to reconnect", |status| status.phase == Phase::Closing).await?;
    bot.until("resumed", is_live_again(Continuity::Resumed, 0)).await?;
    server.plan(Mishap::Forget);
    bot.until("forgotten, identified", is_live_again(Continuity::Lost, 1)).await?;
    server.plan(Mishap::Poison);
    bot.until("poisoned, identified", is_live_again(Continuity::Lost, 2)).await?;
    server.plan(Mishap::Unauthorized);
    let fatal = |status: &Status| status.halted == Some(Halted::Fatal);
    bot.until("the token is no good", fatal).await?;
    bot.handle.stop();

    let mut failures = server.log(|log| log.violations.clone());
    let expect = |failures: &mut Vec<String>, holds: bool, what: &str| {
        if !holds {
            failures.push(what.to_owned());
        }
    };
    expect(&mut failures, bot.wrong.is_empty(), "messages missed or seen twice");
    expect(&mut failures, bot.losses == 2, "two sessions were lost, and no more");
    server.log(|log| {
        expect(&mut failures, log.identifies.len() == 3, "three identifies");
        expect(&mut failures, log.refused_resumes == 1, "one resume was refused");
        expect(&mut failures, log.resumes >= 6, "the session was resumed");
        let early = log.first_heartbeats.iter().all(|after| *after <= HEARTBEAT + ms(500));
        expect(&mut failures, early, "the first heartbeat comes within one interval");
    });
    if failures.is_empty() {
        println!("the gateway's rules were kept, and no message was missed");
        Ok(())
    } else {
        Err(failures.join("; ").into())
    }
}
