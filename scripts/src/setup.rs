//! `ops setup`: an account from nothing to a running deployment. Each step looks whether it is done
//! already, so that one which broke off is simply called again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use anyhow::{bail, Context};
use serde_json::Value;

use crate::deploy::config::secrets;
use crate::deploy::{Pipeline, Target};
use crate::files;
use crate::project::Project;
use crate::wrangler::{line, Wrangler};

/// What the account must know, asked for once: name, question.
const QUESTIONS: [(&str, &str); 3] = [
    ("PUBLIC_URL", "the Worker's https origin, without a path"),
    (
        "RUNPOD_ENDPOINT_ID",
        "the RunPod endpoint that runs the jobs",
    ),
    ("RUNPOD_API_KEY", "the RunPod API key that opens it"),
];

/// Secrets of ours, made here: 32 random bytes each.
const MADE: [&str; 2] = ["TOKEN_SECRETS", "ADMIN_KEY"];
const SECRET_BYTES: usize = 32;

/// Above what `JOB_DAYS` and `UPLOAD_DAYS` can be: no rule takes what a row points to.
const RULES: [(&str, &str, &str); 2] = [
    ("evidence", "evidence/", "400"),
    ("uploads", "assets/", "800"),
];

/// Take a new Cloudflare account from nothing to a running deployment
#[derive(clap::Args)]
#[command(after_help = "\
It asks at the beginning, once, for what is not in the environment: PUBLIC_URL,
RUNPOD_ENDPOINT_ID, RUNPOD_API_KEY. Then: the database and the bucket are made and written into
wrangler.toml, the RunPod endpoint is asked whether it is there, secrets are made and set, and
`ops deploy` does the rest. The secrets that are made are also written into
.run/setup-ENVIRONMENT.secrets, for your password store.
What is there already is left as it is: a setup that broke off is called again.
`wrangler login` comes before it. With --dry-run nothing is asked, made or sent.
Exit status: 0 when it runs (or would), 1 when a check failed, 2 when a step could not be done.

Example:
  ops setup --env production --dry-run
  ops setup --env production")]
pub struct Arguments {
    /// Which environment to set up
    #[arg(long, value_name = "ENVIRONMENT", value_enum)]
    env: Target,

    /// Say every step and why, and do none
    #[arg(long)]
    dry_run: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    let setup = Setup {
        wrangler: Wrangler::new(&project.root, &project.root)?,
        name: arguments.env.environment().name(),
        project,
        target: arguments.env,
        dry_run: arguments.dry_run,
    };
    setup.run()
}

struct Setup {
    project: Project,
    wrangler: Wrangler,
    target: Target,
    name: &'static str,
    dry_run: bool,
}

impl Setup {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let answers = self.ask()?;
        self.say("1. whose account this is (wrangler login comes before)");
        self.change(&["whoami"])?;
        self.database()?;
        self.bucket()?;
        self.say("4. wrangler.toml: the origin and the endpoint, which are no secrets");
        for name in ["PUBLIC_URL", "RUNPOD_ENDPOINT_ID"] {
            self.write_var(name, answers.get(name))?;
        }
        self.endpoint(&answers)?;
        self.secrets(&answers)?;
        self.say("7. the deploy pipeline: checks, migrations, upload, smoke");
        self.deploy()?;
        self.say("8. the first key, for a caller; it is shown once");
        println!(
            "   export ADMIN_KEY=...   # from .run/setup-{}.secrets",
            self.name
        );
        println!("   ops keys create --owner me --name first --url <the origin>");
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, what: &str) {
        println!("{}{what}", if self.dry_run { "would do: " } else { "" });
    }

    fn change(&self, arguments: &[&str]) -> anyhow::Result<()> {
        println!("   {}", line(arguments));
        if self.dry_run {
            return Ok(());
        }
        self.wrangler.run(arguments).map(drop)
    }

    /// From the environment, else from whoever sits there.
    fn ask(&self) -> anyhow::Result<BTreeMap<&'static str, String>> {
        let mut answers = BTreeMap::new();
        for (name, question) in QUESTIONS {
            if let Some(value) = crate::deployment::variable(name) {
                answers.insert(name, value);
            } else if self.dry_run {
                println!("would ask: {name}: {question}");
            } else {
                eprint!("{name} ({question}): ");
                std::io::stderr().flush()?;
                let mut text = String::new();
                std::io::stdin().lock().read_line(&mut text)?;
                if text.trim().is_empty() {
                    bail!("{name} is wanted: {question}");
                }
                answers.insert(name, text.trim().to_owned());
            }
        }
        Ok(answers)
    }

    fn database(&self) -> anyhow::Result<()> {
        let environment = self.target.environment();
        let name = self.project.database(environment, "database_name")?;
        let placeholder = self.project.database(environment, "database_id")?;
        self.say("2. the database, whose id goes into wrangler.toml");
        let info = ["d1", "info", &name, "--json"];
        if !self.dry_run && self.wrangler.run(&info).is_ok() {
            println!("   {name} is there");
        } else {
            self.change(&["d1", "create", &name])?;
        }
        println!("   {}", line(&info));
        if self.dry_run {
            return Ok(());
        }
        let told = self.wrangler.run(&info)?;
        let start = told.find('{').context("wrangler answered no JSON")?;
        let info: Value = serde_json::from_str(&told[start..])?;
        let id = info["uuid"].as_str().context("the database has no id")?;
        self.replace(&placeholder, id)
    }

    fn bucket(&self) -> anyhow::Result<()> {
        let section = self.project.section(self.target.environment());
        let bucket =
            section.and_then(|it| it.get("r2_buckets")?.get(0)?.get("bucket_name")?.as_str());
        let bucket = bucket.context("wrangler.toml names no bucket")?;
        self.say(
            "3. the bucket for results and uploads, and its rules for what the purge cannot see",
        );
        if !self.dry_run && self.wrangler.run(&["r2", "bucket", "info", bucket]).is_ok() {
            println!("   {bucket} is there");
            return Ok(());
        }
        self.change(&["r2", "bucket", "create", bucket])?;
        for (rule, prefix, days) in RULES {
            let add = ["r2", "bucket", "lifecycle", "add", bucket, rule, prefix];
            self.change(&[&add[..], &["--expire-days", days, "--force"]].concat())?;
        }
        Ok(())
    }

    fn write_var(&self, name: &str, value: Option<&String>) -> anyhow::Result<()> {
        let section = self.project.section(self.target.environment());
        let now = section.and_then(|it| it.get("vars")?.get(name)?.as_str());
        let now = now.with_context(|| format!("wrangler.toml has no {name} for {}", self.name))?;
        let Some(value) = value else {
            println!("   {name} = \"{now}\" would be replaced");
            return Ok(());
        };
        println!("   {name} = \"{value}\"");
        if self.dry_run || now == value {
            return Ok(());
        }
        self.in_section(
            &format!("{name} = \"{now}\""),
            &format!("{name} = \"{value}\""),
        )
    }

    /// Ids are all different: the text that stands for one stands there once.
    fn replace(&self, before: &str, after: &str) -> anyhow::Result<()> {
        self.in_section(before, after)
    }

    /// Comments and order of the file stay as they are.
    fn in_section(&self, before: &str, after: &str) -> anyhow::Result<()> {
        let file = self.project.root.join("wrangler.toml");
        let text = String::from_utf8(files::read(&file)?)?;
        let begin = text
            .find(&format!("[env.{}.", self.name))
            .context("no such section")?;
        let (head, tail) = text.split_at(begin);
        files::write(&file, &format!("{head}{}", tail.replacen(before, after, 1)))
    }

    fn endpoint(&self, answers: &BTreeMap<&str, String>) -> anyhow::Result<()> {
        self.say("5. whether RunPod knows the endpoint, and with how many workers");
        let id = answers
            .get("RUNPOD_ENDPOINT_ID")
            .map_or("<endpoint>", String::as_str);
        let base = crate::deployment::variable("RUNPOD_BASE_URL");
        let base = base.unwrap_or_else(|| edge_queue::config::BASE_URL.to_owned());
        let url = format!("{base}/{id}/health");
        println!("   GET {url}");
        let Some(key) = answers.get("RUNPOD_API_KEY").filter(|_| !self.dry_run) else {
            return Ok(());
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(std::time::Duration::from_secs(20)))
            .http_status_as_error(false)
            .build()
            .into();
        let request = agent
            .get(&url)
            .header("authorization", format!("Bearer {key}"));
        let mut answer = request.call().context("RunPod does not answer")?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        if status != 200 {
            let why = match status {
                401 | 403 => "the key does not open it",
                404 => "there is no such endpoint",
                _ => "it is not well",
            };
            bail!("RunPod answered {status}: {why}");
        }
        let health: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        println!("   workers: {}", health["workers"]);
        Ok(())
    }

    fn secrets(&self, answers: &BTreeMap<&str, String>) -> anyhow::Result<()> {
        self.say("6. secrets: two are made here, one is yours; none is ever printed");
        let list = ["secret", "list", "--env", self.name, "--format", "json"];
        println!("   {}", line(&list));
        // There is no list before there is a Worker.
        let told = if self.dry_run {
            String::new()
        } else {
            self.wrangler.run(&list).unwrap_or_default()
        };
        let is_set = |name: &str| told.contains(&format!("\"{name}\""));
        let mut wanted: Vec<&str> = secrets(Target::Production).to_vec();
        wanted.retain(|name| !is_set(name));
        for name in wanted {
            let put = ["secret", "put", name, "--env", self.name];
            println!("   {}", line(&put));
            if self.dry_run {
                continue;
            }
            let value = match answers.get(name) {
                Some(value) => value.clone(),
                None if MADE.contains(&name) => self.make(name)?,
                None => bail!("{name} is wanted"),
            };
            self.wrangler.run_with(&put, &value)?;
        }
        Ok(())
    }

    /// Written down before it is set: a secret that nobody has would lock the owner out.
    fn make(&self, name: &str) -> anyhow::Result<String> {
        let mut bytes = [0; SECRET_BYTES];
        let mut random = std::fs::File::open("/dev/urandom").context("no random bytes")?;
        random.read_exact(&mut bytes)?;
        let secret = bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let folder = self.project.root.join(".run");
        files::make_folder(&folder)?;
        let file = folder.join(format!("setup-{}.secrets", self.name));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&file)?;
        writeln!(file, "{name}={secret}")?;
        Ok(secret)
    }

    fn deploy(&self) -> anyhow::Result<()> {
        // wrangler.toml is another one by now.
        let project = Project::at(&self.project.root)?;
        let pipeline = Pipeline {
            wrangler: Wrangler::new(&project.root, &project.root)?,
            project: &project,
            target: self.target,
            dry_run: self.dry_run,
        };
        pipeline.run()
    }
}
