-- Run once, as a superuser, in the database of the journal, before `asyncsim jobs migrate`.
--
-- asyncsim_owner owns the tables: `jobs migrate` connects as it.
-- asyncsim_worker reads and writes rows: workers, receivers, and people who submit jobs.
-- Give both a password, or certificates: neither can log in without.
CREATE ROLE asyncsim_owner LOGIN;
CREATE ROLE asyncsim_worker LOGIN;

CREATE SCHEMA asyncsim AUTHORIZATION asyncsim_owner;
GRANT USAGE ON SCHEMA asyncsim TO asyncsim_worker;
-- Of the tables that `jobs migrate` makes, now and by later versions.
ALTER DEFAULT PRIVILEGES FOR ROLE asyncsim_owner IN SCHEMA asyncsim
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO asyncsim_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE asyncsim_owner IN SCHEMA asyncsim
    GRANT USAGE, SELECT ON SEQUENCES TO asyncsim_worker;
