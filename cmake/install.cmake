# SPDX-License-Identifier: Apache-2.0
# cmake --install: the two programs, manual pages, an example of the configuration, what systemd needs, completion, and
# node-setup for the hosts, and the verifier of audits for those who trust none of this. Nothing below /etc is touched: that is the operator's.
include(GNUInstallDirs)

install(TARGETS cloudd cloudctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES man/cloudctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/cloudd.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES man/cloudd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES conf/cloudd.conf conf/prices.example.json LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES conf/completions/cloudctl DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES conf/cloudd.sysusers DESTINATION lib/sysusers.d RENAME cloudd.conf)
install(FILES conf/cloudd.tmpfiles DESTINATION lib/tmpfiles.d RENAME cloudd.conf)
install(PROGRAMS scripts/node-setup scripts/audit-verify DESTINATION ${CMAKE_INSTALL_DATADIR}/cloudd)
install(FILES scripts/lib/packages.sh DESTINATION ${CMAKE_INSTALL_DATADIR}/cloudd/lib)

# The unit names the program where this installation puts it.
set(unit_in ${PROJECT_SOURCE_DIR}/conf/cloudd.service)
install(CODE "
  file(READ \"${unit_in}\" unit)
  string(REPLACE /usr/bin/cloudd \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/cloudd\" unit \"\${unit}\")
  set(unit_out \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/cloudd.service\")
  file(WRITE \"\$ENV{DESTDIR}\${unit_out}\" \"\${unit}\")
  message(STATUS \"Installing: \$ENV{DESTDIR}\${unit_out}\")
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${unit_out}\")
")
