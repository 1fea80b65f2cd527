//! What runs inside Redis. `KEYS[1]` is the generation's key, the others are those of the names. Each script first compares
//! the generation the caller believes in; where it is another, only that is answered.

macro_rules! script {
    ($body:literal) => {
        concat!(
            "
    local generation = redis.call('GET', KEYS[1])
    if not generation then
        generation = ARGV[2]
        redis.call('SET', KEYS[1], generation)
    end
    if generation ~= ARGV[1] then
        return { generation }
    end
    local answer = { generation }
",
            $body
        )
    };
}

/// `ARGV`: believed and fresh generation, a fresh lease, its TTL. Answers the slots; those that are missing are leased.
pub(super) const GET: &str = script!(
    "
    for at = 2, #KEYS do
        local slot = redis.call('GET', KEYS[at])
        if not slot then
            slot = ARGV[3]
            redis.call('SET', KEYS[at], slot, 'PX', ARGV[4])
        end
        answer[at] = slot
    end
    return answer"
);

/// `ARGV`: believed and fresh generation, then the lease, the slot and its TTL for each. Answers 1 where something is kept now.
pub(super) const FILL: &str = script!(
    "
    for at = 2, #KEYS do
        local first = 3 * at - 3
        local held = redis.call('GET', KEYS[at])
        if held == ARGV[first] then
            redis.call('SET', KEYS[at], ARGV[first + 1], 'PX', ARGV[first + 2])
            answer[at] = '1'
        elseif held and string.sub(held, 1, 1) ~= 'L' then
            answer[at] = '1'
        else
            answer[at] = '0'
        end
    end
    return answer"
);

/// `ARGV`: believed and fresh generation, then what to do, the version, the slot and its TTL for each.
pub(super) const CHANGE: &str = script!(
    "
    for at = 2, #KEYS do
        local first = 4 * at - 5
        local what = ARGV[first]
        if what == 'always' then
            redis.call('SET', KEYS[at], ARGV[first + 2], 'PX', ARGV[first + 3])
        elseif what == 'unknown' then
            redis.call('DEL', KEYS[at])
        else
            local held = redis.call('GET', KEYS[at])
            if held then
                local version = tonumber(string.match(held, '^[VN](%d+) '))
                if not version then
                    redis.call('DEL', KEYS[at])
                elseif version < tonumber(ARGV[first + 1]) then
                    redis.call('SET', KEYS[at], ARGV[first + 2], 'PX', ARGV[first + 3])
                end
            end
        end
    end
    return answer"
);
