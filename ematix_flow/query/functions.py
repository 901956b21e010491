"""Which functions, types, operators and words are PostgreSQL's own, and what they depend on.

Source: `pg_proc` of PostgreSQL 15, compared with 18. A function stands here only if every overload of
its name in `pg_catalog` is `provolatile` i or s, and only if every supported server (14 and later) has
it: a newer name may be a user's own function on an older server. What is missing is treated as unknown,
which is safe and slower.

A name stands for the built-in function: whoever sets `search_path` decides that it does.
"""

from __future__ import annotations

from ematix_flow.query.words import words

# Scalar functions whose value follows from their arguments and from session settings that the engine
# sets itself (TimeZone, DateStyle, IntervalStyle, lc_*, bytea_output, extra_float_digits). Left out,
# though not volatile: what reads the clock (age with one argument), the catalog (format_type, enum_range,
# to_regclass, text search), the session, or may read a text as a moment (date(x), timestamptz(x)).
ROW_FUNCTIONS = words(
    # numbers
    """
    abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh
    cot cotd degrees div exp factorial float4 float8 floor gcd int2 int4 int8 lcm ln log log10 min_scale
    mod numeric pi pow power radians round scale sign sin sind sinh sqrt tan tand tanh to_number
    trim_scale trunc width_bucket
    """,
    # text and bytes
    """
    ascii bit_count bit_length btrim char_length character_length chr concat concat_ws convert
    convert_from convert_to decode encode format get_bit get_byte hashtext initcap left length like lower
    lpad ltrim md5 octet_length parse_ident pg_size_pretty quote_ident quote_literal quote_nullable
    regexp_match regexp_replace regexp_split_to_array repeat replace reverse right rpad rtrim set_bit
    set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array strpos substr text
    to_char to_hex translate unistr upper
    """,
    # dates and times, from a moment that is given
    """
    date_bin date_part date_trunc isfinite justify_days justify_hours justify_interval make_date
    make_interval make_time make_timestamp make_timestamptz overlaps to_date to_timestamp
    """,
    # arrays, ranges, network addresses, NULLs
    """
    array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_to_string array_upper cardinality
    trim_array daterange int4range int8range isempty lower_inc lower_inf numrange range_merge tsrange
    tstzrange upper_inc upper_inf broadcast family host hostmask inet_merge inet_same_family masklen
    netmask network set_masklen num_nonnulls num_nulls
    """,
    # JSON
    """
    array_to_json json_array_length json_build_array json_build_object json_extract_path
    json_extract_path_text json_strip_nulls json_typeof jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first jsonb_pretty
    jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_typeof row_to_json to_json to_jsonb
    """,
)

# One call of these can make several rows of one.
SET_RETURNING_FUNCTIONS = words(
    """
    generate_series generate_subscripts json_array_elements json_array_elements_text json_each
    json_each_text json_object_keys json_populate_recordset json_to_recordset jsonb_array_elements
    jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_query
    jsonb_path_query_tz jsonb_populate_recordset jsonb_to_recordset regexp_matches regexp_split_to_table
    string_to_table unnest
    """,
)

# Functions of the grammar that are called without parentheses: reserved words, so never a column.
BARE_FUNCTIONS = words(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp current_user
    localtime localtimestamp session_user system_user user
    """,
)

# Everything that reads and never writes: safe inside a transaction that may write.
READ_FUNCTIONS = (
    ROW_FUNCTIONS
    | SET_RETURNING_FUNCTIONS
    | BARE_FUNCTIONS
    | words(
        # the clock, the session, the catalog; functions that read a text as a moment
        """
        age now statement_timestamp transaction_timestamp current_database current_setting date
        timestamptz timetz timezone col_description format_type obj_description pg_current_snapshot
        pg_snapshot_xmax pg_snapshot_xmin pg_typeof to_regclass to_regtype version enum_first enum_last
        enum_range
        json_populate_record json_to_record jsonb_path_exists_tz jsonb_path_match_tz
        jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_populate_record jsonb_to_record
        """,
        # text search
        """
        phraseto_tsquery plainto_tsquery setweight strip to_tsquery to_tsvector ts_headline ts_rank
        ts_rank_cd websearch_to_tsquery
        """,
        # aggregates
        """
        array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every
        json_agg json_object_agg jsonb_agg jsonb_object_agg max min mode percentile_cont percentile_disc
        range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
        regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
        """,
        # window functions
        """
        cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
        """,
    )
)

# First words of the built-in type names, as they are written in a cast.
TYPES = words(
    """
    bigint bit bool boolean box bpchar bytea char character cidr circle date daterange datemultirange dec
    decimal double float float4 float8 inet int int2 int4 int4multirange int4range int8 int8multirange
    int8range integer interval json jsonb jsonpath line lseg macaddr macaddr8 money name national nchar
    numeric nummultirange numrange oid path pg_lsn pg_snapshot point polygon real regclass regcollation
    regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype
    smallint text tid time timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange
    tstzrange tsvector uuid varbit varchar xid xid8 xml
    """,
)

# `=>` names an argument. Left out: <->, which is more often an extension's than the built-in distance.
OPERATORS = words(
    """
    + - * / % ^ < > <= >= = <> != || ~ ~* !~ !~* ~~ ~~* !~~ !~~* ^@ -> ->> #> #>> #- @> <@ && ? ?| ?& & |
    # << >> |/ ||/ @ @@ @? -|- &< &> <<= >>= =>
    """,
)
