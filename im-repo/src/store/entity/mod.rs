//! Rows.

macro_rules! entity {
    ($(#[$doc:meta])* $module:ident $table:literal { $($(#[$column:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[allow(missing_docs)]
        pub mod $module {
            use sea_orm::entity::prelude::*;

            #[sea_orm::model]
            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $($(#[$column])* pub $field: $type,)+
            }

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity! {
    /// Accounts.
    user "users" {
        #[sea_orm(primary_key, auto_increment = false)]
        user_id: i64,
        name: String,
        name_key: String,
        display_name: String,
        password_hash: String,
        guest: i32,
        created_at_ms: i64,
    }
}
entity! {
    /// Logins.
    session "sessions" {
        #[sea_orm(primary_key, auto_increment = false)]
        session_id: String,
        user_id: i64,
        device_id: String,
        platform: String,
        refresh_hash: Vec<u8>,
        used_hashes: Vec<u8>,
        created_at_ms: i64,
        last_used_at_ms: i64,
        expires_at_ms: i64,
        revoked_at_ms: i64,
    }
}
entity! {
    /// Conversations: the row that is locked by an append.
    conversation "conversations" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation_id: String,
        kind: i32,
        title: String,
        open: i32,
        fan_out: i32,
        last_seq: i64,
        last_msg_no: i64,
        first_seq: i64,
        state_version: i64,
        member_count: i32,
        last_created_at_ms: i64,
        active_hour: i32,
        has_rejections: i32,
    }
}
entity! {
    /// Who sees which entries of a conversation.
    member "members" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        user_id: i64,
        role: i32,
        visible_from: i64,
        left_seq: i64,
    }
}
entity! {
    /// The logs.
    entry "entries" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        seq: i64,
        message_id: i64,
        sender_id: i64,
        command_id: String,
        payload_hash: Vec<u8>,
        body: Vec<u8>,
        countable: i32,
        msg_no: i64,
        created_at_ms: i64,
    }
}
entity! {
    /// Commands that were refused, so that their repetition is refused alike.
    rejection "rejections" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        sender_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        command_id: String,
        payload_hash: Vec<u8>,
        error: Vec<u8>,
        created_at_ms: i64,
    }
}
entity! {
    /// How far users have read.
    cursor "cursors" {
        #[sea_orm(primary_key, auto_increment = false)]
        conversation_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        user_id: i64,
        read_seq: i64,
        read_msg_no: i64,
    }
}
entity! {
    /// Records that were given up.
    dead_letter "dead_letters" {
        #[sea_orm(primary_key)]
        dead_letter_id: i64,
        topic: String,
        shard: i32,
        position: i64,
        record: Vec<u8>,
        state: i32,
        died_at_ms: i64,
    }
}
entity! {
    /// What this store is.
    store "store" {
        #[sea_orm(primary_key, auto_increment = false)]
        id: i32,
        epoch: String,
    }
}
