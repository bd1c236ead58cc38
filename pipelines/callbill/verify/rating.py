from callbill.release.hashes import TABLES
