//! Registering and logging in.

use std::sync::Arc;

use im_infra::{
    access_token::{Claims, SigningKey, Verifier},
    clock::Clock,
    ids::{Mint, UserId},
};
use proto::{
    Error, ErrorCode,
    auth::{Device, GuestRequest, LoginRequest, PublicKey, RegisterRequest, TokenPair, VerifyTokenResponse},
    repo::{CreateSessionRequest, CreateUserRequest, CredentialsRequest, RegisterUserRequest, Session},
};

use super::{
    passwords::Passwords,
    refresh_token::{self, Secret},
};
use crate::{
    config::AuthOptions,
    domain::{check_password, display_name, fold, parse_name},
    repo::Repo,
};

/// Characters of a display name.
const DISPLAY_NAME_CHARS_MAX: usize = 64;
/// What a client may call itself.
const PLATFORMS: [&str; 5] = ["web", "ios", "android", "desktop", "bot"];

/// Accounts, sessions and tokens. Clones share.
#[derive(Clone)]
pub(crate) struct Auth {
    pub(super) repo: Repo,
    pub(super) options: Arc<AuthOptions>,
    pub(super) clock: Clock,
    key: Arc<SigningKey>,
    verifier: Arc<Verifier>,
    passwords: Passwords,
    mint: Arc<Mint>,
}

impl Auth {
    pub(crate) fn new(repo: Repo, options: AuthOptions, mint: Arc<Mint>, clock: Clock) -> Result<Self, Error> {
        let bad_key = |error: &dyn std::fmt::Display| Error::invalid("logic.auth.signing_key", error);
        let key = SigningKey::from_pem(options.signing_key.expose()).map_err(|error| bad_key(&error))?;
        let public = key.public_key().map_err(|error| bad_key(&error))?;
        let verifier = Verifier::new([public]).map_err(|error| bad_key(&error))?;
        let passwords = Passwords::new(options.hashes_at_once, options.hashes_waiting_max)?;
        let (key, verifier, options) = (Arc::new(key), Arc::new(verifier), Arc::new(options));
        Ok(Self { repo, options, clock, key, verifier, passwords, mint })
    }

    pub(crate) async fn register(&self, request: RegisterRequest) -> Result<TokenPair, Error> {
        self.check_open()?;
        let device = check_device(request.device)?;
        let (name, name_key) = parse_name(&request.name)?;
        check_password(&request.password)?;
        let shown = if request.display_name.is_empty() { &name } else { &request.display_name };
        let display_name = display_name(shown, DISPLAY_NAME_CHARS_MAX)?;
        let password_hash = self.passwords.hash(request.password).await?;
        let user_id = self.mint_id()?;
        let create = CreateUserRequest { user_id, name, name_key, display_name, password_hash, guest: false };
        self.open_account(create, device).await
    }

    pub(crate) async fn guest(&self, request: GuestRequest) -> Result<TokenPair, Error> {
        self.check_open()?;
        let device = check_device(request.device)?;
        let user_id = self.mint_id()?;
        let name = format!("guest-{user_id}");
        let shown = if request.display_name.is_empty() { &name } else { &request.display_name };
        let display_name = display_name(shown, DISPLAY_NAME_CHARS_MAX)?;
        let (name_key, password_hash) = (fold(&name), String::new());
        let create = CreateUserRequest { user_id, name, name_key, display_name, password_hash, guest: true };
        self.open_account(create, device).await
    }

    pub(crate) async fn login(&self, request: LoginRequest) -> Result<TokenPair, Error> {
        let device = check_device(request.device)?;
        let name_key = fold(request.name.trim());
        let found = self.repo.users().credentials(CredentialsRequest { name_key }).await?.into_inner();
        if !self.passwords.verify(request.password, found.password_hash).await? {
            return Err(ErrorCode::BadCredentials.into());
        }
        self.open_session(found.user_id, device).await
    }

    /// What a token says, for services without the key.
    pub(crate) fn verify(&self, token: &str) -> Result<VerifyTokenResponse, Error> {
        let claims = self.verifier.verify(token, self.clock.now_ms())?;
        Ok(VerifyTokenResponse {
            user_id: claims.user_id()?,
            session_id: claims.sid,
            device_id: claims.did,
            platform: claims.plt,
            expires_at_ms: claims.exp_ms,
        })
    }

    pub(crate) fn keys(&self) -> Result<Vec<PublicKey>, Error> {
        let key = self.key.public_key().map_err(|error| Error::invalid("logic.auth.signing_key", error))?;
        Ok(vec![key])
    }

    /// A new user begins with a session: both are stored with one call.
    async fn open_account(&self, user: CreateUserRequest, device: Device) -> Result<TokenPair, Error> {
        let (session, secret) = self.new_session(user.user_id, device)?;
        let create = CreateSessionRequest { session: Some(session.clone()), refresh_hash: secret.hash.clone() };
        self.repo.users().register(RegisterUserRequest { user: Some(user), session: Some(create) }).await?;
        self.tokens(&session, refresh_token::join(&session.session_id, &secret))
    }

    async fn open_session(&self, user_id: UserId, device: Device) -> Result<TokenPair, Error> {
        let (session, secret) = self.new_session(user_id, device)?;
        let create = CreateSessionRequest { session: Some(session.clone()), refresh_hash: secret.hash.clone() };
        self.repo.sessions().create(create).await?;
        self.tokens(&session, refresh_token::join(&session.session_id, &secret))
    }

    fn new_session(&self, user_id: UserId, device: Device) -> Result<(Session, Secret), Error> {
        let now_ms = self.clock.now_ms();
        let session = Session {
            session_id: uuid::Uuid::new_v4().simple().to_string(),
            user_id,
            device_id: device.device_id,
            platform: device.platform,
            created_at_ms: now_ms,
            last_used_at_ms: now_ms,
            expires_at_ms: now_ms + self.options.refresh_ttl_ms,
            revoked_at_ms: 0,
        };
        Ok((session, refresh_token::make()?))
    }

    pub(super) fn tokens(&self, session: &Session, refresh_token: String) -> Result<TokenPair, Error> {
        let access_expires_at_ms = self.clock.now_ms() + self.options.access_ttl_ms;
        let claims = Claims::new(
            session.user_id,
            &session.session_id,
            &session.device_id,
            &session.platform,
            access_expires_at_ms,
        );
        Ok(TokenPair {
            user_id: session.user_id,
            session_id: session.session_id.clone(),
            access_token: self.key.sign(&claims)?,
            access_expires_at_ms,
            refresh_token,
            refresh_expires_at_ms: session.expires_at_ms,
        })
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.options.open_registration { Ok(()) } else { Err(ErrorCode::Forbidden.into()) }
    }

    fn mint_id(&self) -> Result<UserId, Error> {
        self.mint.next().map_err(|_| Error::new(ErrorCode::Unavailable).with("part", "node slot").retry_after_ms(1_000))
    }
}

fn check_device(device: Option<Device>) -> Result<Device, Error> {
    let device = device.unwrap_or_default();
    let id = &device.device_id;
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid("device.device_id", "1 to 64 visible ASCII characters"));
    }
    if !PLATFORMS.contains(&&*device.platform) {
        return Err(Error::invalid("device.platform", PLATFORMS.join(", ")));
    }
    Ok(device)
}
