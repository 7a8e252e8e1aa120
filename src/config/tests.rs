use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PRODUCTION: &[(&str, &str)] = &[
    ("ENVIRONMENT", "production"),
    ("PUBLIC_URL", "https://queue.example.com/"),
    ("RUNPOD_ENDPOINT_ID", "abc123"),
    ("RUNPOD_API_KEY", "key"),
    ("TOKEN_SECRETS", SECRET),
    ("ADMIN_KEY", SECRET),
];

fn read(base: &[(&str, &str)], change: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    Config::from_vars(|name| {
        let find = |vars: &[(&str, &str)]| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        find(change).or_else(|| find(base))
    })
}

fn check(base: &[(&str, &str)], change: &[(&str, &str)], expected: &[&str]) {
    let problems = read(base, change).err().unwrap_or_default();
    let settings: Vec<&str> = problems.iter().map(|problem| problem.setting).collect();
    assert_eq!(settings, expected, "{change:?}");
}

#[test]
fn a_complete_production_is_live() {
    let config = read(PRODUCTION, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.mode(), Mode::Live);
    assert_eq!(config.public_url, "https://queue.example.com");
}

#[test]
fn production_refuses_everything_that_is_missing_at_once() {
    let expected = [
        "PROVIDER",
        "RUNPOD_ENDPOINT_ID",
        "RUNPOD_API_KEY",
        "PUBLIC_URL",
        "TOKEN_SECRETS",
        "ADMIN_KEY",
    ];
    check(&[("ENVIRONMENT", "production")], &[], &expected);
    check(
        &[],
        &[],
        &[
            "ENVIRONMENT",
            "PROVIDER",
            "RUNPOD_ENDPOINT_ID",
            "RUNPOD_API_KEY",
            "PUBLIC_URL",
            "TOKEN_SECRETS",
            "ADMIN_KEY",
        ],
    );
}

#[test]
fn production_refuses_the_simulation_and_another_runpod() {
    check(PRODUCTION, &[("PROVIDER", "simulated")], &["PROVIDER"]);
    check(
        PRODUCTION,
        &[("RUNPOD_ENDPOINT_ID", "replace-me")],
        &["PROVIDER", "RUNPOD_ENDPOINT_ID"],
    );
    check(
        PRODUCTION,
        &[("RUNPOD_BASE_URL", "http://127.0.0.1:1")],
        &["RUNPOD_BASE_URL"],
    );
    check(
        PRODUCTION,
        &[("PUBLIC_URL", "http://a.example")],
        &["PUBLIC_URL"],
    );
    check(
        PRODUCTION,
        &[("TOKEN_SECRETS", "short")],
        &["TOKEN_SECRETS"],
    );
    check(PRODUCTION, &[("PROVIDER", "vast")], &["PROVIDER"]);
}

#[test]
fn every_mistake_in_a_runpod_setting_is_named_at_once() {
    let wrong = &[
        ("RUNPOD_ENDPOINT_ID", "a/b"),
        ("RUNPOD_API_KEY", "key\nkey"),
        ("PUBLIC_URL", "nowhere"),
    ];
    let expected = ["RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY", "PUBLIC_URL"];
    check(PRODUCTION, wrong, &expected);
}

#[test]
fn a_mock_is_found_with_and_without_a_slash() {
    let mock = &[
        ("ENVIRONMENT", "local"),
        ("RUNPOD_BASE_URL", "http://127.0.0.1:9/v2/"),
    ];
    match read(PRODUCTION, mock).map(|config| config.gpu) {
        Ok(Gpu::Runpod(settings)) => assert_eq!(settings.base_url, "http://127.0.0.1:9/v2"),
        _ => panic!("the mock is refused"),
    }
}

#[test]
fn a_laptop_needs_nothing() {
    let local = &[
        ("ENVIRONMENT", "local"),
        ("RUNPOD_ENDPOINT_ID", "replace-me"),
    ];
    let config = read(local, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.mode(), Mode::Simulated);
    check(
        local,
        &[("PROVIDER", "runpod")],
        &["RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"],
    );
}

#[test]
fn every_mistake_in_who_may_call_is_named_at_once() {
    let wrong = &[
        ("ADMIN_KEY", "short"),
        ("ALLOWED_ORIGINS", "https://a.example, *"),
        ("SESSION_JOBS_PER_DAY", "many"),
        ("TURNSTILE_SECRET", "1x0000000000000000000000000000000AA"),
        ("BACKLOG_MAX", "-1"),
    ];
    let expected = [
        "ADMIN_KEY",
        "ALLOWED_ORIGINS",
        "SESSION_JOBS_PER_DAY",
        "TURNSTILE_SECRET",
        "BACKLOG_MAX",
    ];
    check(PRODUCTION, wrong, &expected);
}

/// Strangers' jobs cost money: nobody who only wanted keys should find that pages spend it.
#[test]
fn a_live_deployment_gives_sessions_only_when_it_is_told_to() {
    let jobs = |change: &[(&str, &str)]| {
        let config = read(PRODUCTION, change).unwrap_or_else(|p| panic!("{p:?}"));
        config.access.session_jobs_per_day
    };
    assert_eq!(jobs(&[]), 0);
    assert_eq!(jobs(&[("SESSION_JOBS_PER_DAY", "500")]), 500);
}

#[test]
fn credits_are_asked_for_where_nothing_is_paid_and_elsewhere_on_request() {
    let begins = |base: &[(&str, &str)], change: &[(&str, &str)]| {
        let config = read(base, change).unwrap_or_else(|problems| panic!("{problems:?}"));
        config.access.session_credits
    };
    let local = [("ENVIRONMENT", "local")];
    assert_eq!(begins(&local, &[]), Some(20));
    assert_eq!(begins(&local, &[("CREDITS", "off")]), None);
    assert_eq!(begins(PRODUCTION, &[]), None);
    assert_eq!(begins(PRODUCTION, &[("SESSION_CREDITS", "3")]), None);
    let both = [("CREDITS", "on"), ("SESSION_CREDITS", "3")];
    assert_eq!(begins(PRODUCTION, &both), Some(3));
    assert_eq!(begins(PRODUCTION, &both[..1]), Some(0));
    check(PRODUCTION, &[("CREDITS", "yes")], &["CREDITS"]);
}
