-- Run once, as a superuser, in the database of the journal, before `asyncsim jobs migrate`.
--
-- asyncsim_owner owns the tables, for `jobs migrate`.
-- asyncsim_worker reads and writes rows, for workers, receivers and people who submit jobs.
-- Give both a password or a client certificate: they cannot log in without one.
CREATE ROLE asyncsim_owner LOGIN;
CREATE ROLE asyncsim_worker LOGIN;

CREATE SCHEMA asyncsim AUTHORIZATION asyncsim_owner;
GRANT USAGE ON SCHEMA asyncsim TO asyncsim_worker;
-- For the tables that `jobs migrate` creates, now and in later versions.
ALTER DEFAULT PRIVILEGES FOR ROLE asyncsim_owner IN SCHEMA asyncsim
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO asyncsim_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE asyncsim_owner IN SCHEMA asyncsim
    GRANT USAGE, SELECT ON SEQUENCES TO asyncsim_worker;
